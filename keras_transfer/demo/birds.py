"""The demo of sounds: the network of the pictures learns to tell the calls of birds apart by their spectrograms."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import data as sources
from keras_transfer._folders import check_writable
from keras_transfer.data import SoundData
from keras_transfer.demo.leaves import IMAGE_SIZE, WEIGHTS
from keras_transfer.demo.saying import drawn, say_medians, sayer
from keras_transfer.demo.scratch import Scratch
from keras_transfer.demo.songs import CALLS, sing
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.building import build_model
from keras_transfer.records.run import save_run
from keras_transfer.schedules.phases import Phase
from keras_transfer.serving import load
from keras_transfer.training.fine_tuning import fine_tune

SAMPLE_RATE, SECONDS = 16_000, 1.5
CALLS_OF_EACH = {"train": 5, "val": 5, "test": 20}
SEEDS = (0, 1, 2)
RATE = 5e-3
SCRATCH_RATES = (3e-3, 1e-2)
EPOCHS = 40


def record_birds(folder: Path, seed: int, of_each: dict[str, int] = CALLS_OF_EACH) -> None:
    """Writes a folder of WAV files with `train/`, `val/` and `test/`. The test calls do not depend on `seed`.

    Raises:
        InputError: if the folder exists and was not written by this function.
        DiskError: if it cannot be written.
    """
    with drawn(folder) as staging:
        for split, count in of_each.items():
            for index, call in enumerate(CALLS):
                rng = np.random.default_rng([0 if split == "test" else seed + 1, index, len(split)])
                target = staging / split / call.name
                target.mkdir(parents=True)
                for number in range(count):
                    heard = sing(call, rng, SAMPLE_RATE, SECONDS).astype(np.float32)[:, np.newaxis]
                    content = tf.audio.encode_wav(heard, SAMPLE_RATE).numpy()
                    (target / f"{call.name}{number:02}.wav").write_bytes(content)


def tell_birds(output: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Runs the demo of sounds: trains on five calls of each of eight birds, exports, predicts, and compares.

    Args:
        output: folder for the results.
        quiet: whether to print nothing.

    Returns:
        A dict as that of `tell_leaves`.
    """
    begin = time.monotonic()
    say = sayer(quiet)
    say("A MobileNet of 0.2 million weights, trained on patterns drawn by formula, learns to tell birds apart.\n")
    ways = ("raw pictures", "from scratch", "transfer")
    accuracies: dict[str, list[float]] = {way: [] for way in ways}
    output = output.expanduser()
    folder = output / "birds"
    check_writable(output)

    say(f"1  a folder of sounds: {len(CALLS)} birds, {CALLS_OF_EACH['train']} calls of each to train on")
    record_birds(folder, SEEDS[0])
    sounds = _read(folder, SEEDS[0])
    say(f"{sounds}\n")

    say("2  train: all stages, gently at first; the spectrogram is computed in the model")
    model, history = _transfer(sounds, SEEDS[0], verbose=0 if quiet else 2)
    kept = save_run(output, model, sounds, history, sounds.test)
    accuracies["transfer"].append(kept.report.metrics["accuracy"])
    say(f"\n3  evaluate, on calls nobody has trained on or chosen by\n{kept.report}\n")
    say(f"4  export\n{kept.version} (a SavedModel for TF Serving)\n")

    say("5  answers from the SavedModel, from the bytes of WAV files")
    asked = [folder / "test" / call.name / f"{call.name}00.wav" for call in CALLS]
    for path, prediction in zip(asked, load(kept.version).predict(asked), strict=True):
        mark = "✓" if prediction.class_name == path.parent.name else "✗"
        say(f"   {path.relative_to(output)!s:<40} {mark} {prediction}")

    say(f"\n6  is it the transfer? The same task for others, {len(SEEDS)} seeds")
    scratch = Scratch(partial(_model, sounds, None), SCRATCH_RATES, EPOCHS)
    for seed in SEEDS:
        if seed != SEEDS[0]:
            record_birds(folder, seed)
            sounds = _read(folder, seed)
            accuracies["transfer"].append(evaluate(_transfer(sounds, seed)[0], sounds.test).metrics["accuracy"])
        accuracies["raw pictures"].append(_raw_pictures(model, sounds))
        accuracies["from scratch"].append(scratch.best_accuracy(sounds, seed))
        say(f"   seed {seed}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in accuracies.items()))
    medians = {name: median(values) for name, values in accuracies.items()}
    say_medians(
        say,
        medians,
        {
            "raw pictures": "logistic regression on the spectrograms",
            "from scratch": f"the same network from random weights, best of {len(SCRATCH_RATES)} learning rates",
            "transfer": "the same network from the shipped weights, which were trained on pictures",
        },
    )
    seconds = time.monotonic() - begin
    say(f"\ntry:  keras-transfer predict {output} {asked[0]}")
    say(f"done in {seconds:.0f} s")
    return {
        "accuracy": medians,
        "accuracies": accuracies,
        "version": str(kept.version),
        "files": [str(output / file) for file in kept.files],
        "seconds": seconds,
    }


def _read(folder: Path, seed: int) -> SoundData:
    return sources.from_audio_directory(
        folder, seconds=SECONDS, sample_rate=SAMPLE_RATE, augment="light", batch_size=16, seed=seed
    )


def _model(sounds: SoundData, weights: Path | None) -> keras.Model:
    return build_model(
        "MobileNet",
        sounds.num_classes,
        weights=weights,
        sound=sounds,
        image_size=IMAGE_SIZE,
        backbone_options={"alpha": 0.25},
    )


def _transfer(sounds: SoundData, seed: int, verbose: int = 0) -> tuple[keras.Model, keras.callbacks.History]:
    keras.utils.set_random_seed(seed)
    model = _model(sounds, WEIGHTS)
    phases = (Phase(EPOCHS, "all", RATE),)
    return model, fine_tune(model, sounds, schedule=phases, rate="warmup_cosine", train_batch_norm=0.9, verbose=verbose)


def _raw_pictures(model: keras.Model, sounds: SoundData) -> float:
    """Returns the accuracy of a logistic regression on the logarithmic mel spectrograms that a model computes."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    spectrogram = keras.Model(model.inputs, model.get_layer("log_mel").output)

    def rows(split: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
        heard, labels = zip(*split.as_numpy_iterator(), strict=True)
        pictures = np.concatenate([spectrogram.predict_on_batch(batch) for batch in heard])
        return pictures.reshape(len(pictures), -1) / 100, np.concatenate(labels)

    classifier = make_pipeline(PCA(), LogisticRegression(C=1e-1, max_iter=300))
    return float(classifier.fit(*rows(replace(sounds, augment="none").train)).score(*rows(sounds.test)))
