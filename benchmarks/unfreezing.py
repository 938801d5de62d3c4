"""Gradual unfreezing through the callback against the head alone, in a user's own `model.fit`: five seeds, medians."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from accuracy import DATA, NETWORKS, SEEDS, WEIGHTS

import keras_transfer as kt

EPOCHS, LEARNING_RATE = 10, 3e-3


def accuracy(backbone: str, alpha: str, weights: Path, schedule: str, seed: int) -> float:
    """Trains once and returns the validation accuracy of the epoch with the lowest validation loss."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    data = kt.data.from_directory(DATA / "hymenoptera", image_size=224, seed=seed)
    options = {"alpha": float(alpha)}
    model = kt.build_model(backbone, data.num_classes, weights=weights, image_size=224, backbone_options=options)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    unfreeze = kt.UnfreezeSchedule(schedule, epochs=EPOCHS, learning_rate=LEARNING_RATE)
    best = keras.callbacks.EarlyStopping(patience=EPOCHS, restore_best_weights=True)
    model.fit(
        data.train,
        validation_data=data.validation,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[unfreeze, best],
    )
    return model.evaluate(data.validation, verbose=0, return_dict=True)["accuracy"]


def main() -> None:
    """Runs every network with both schedules and every seed."""
    if not DATA.is_dir() or not WEIGHTS.is_dir():
        sys.exit(f"needs {DATA} and {WEIGHTS}; set KERAS_TRANSFER_DATA and KERAS_TRANSFER_WEIGHTS")
    results = {}
    for name, (backbone, alpha, weights) in NETWORKS.items():
        for schedule in ("feature_extraction", "gradual"):
            found = [accuracy(backbone, alpha, WEIGHTS / weights, schedule, seed) for seed in SEEDS]
            results[f"{name} {schedule}"] = found
            values = " ".join(f"{value:.3f}" for value in found)
            print(f"{name:<16} {schedule:<18} median {median(found):.3f}   seeds {values}", flush=True)
    print(json.dumps({"hymenoptera_validation_accuracy": results}))


if __name__ == "__main__":
    main()
