"""The demo of images: a network trained on patterns drawn by formula learns to tell leaves apart."""

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
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.demo.pictures import LEAVES, draw_leaf
from keras_transfer.demo.saying import drawn, say_medians, sayer
from keras_transfer.demo.scratch import Scratch
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.building import build_model
from keras_transfer.records.run import save_run
from keras_transfer.serving import load
from keras_transfer.training.fine_tuning import fine_tune

WEIGHTS = Path(__file__).parent / "weights" / "mobilenet_0.25_96_formula.weights.h5"
IMAGE_SIZE = 96
LABELS_PER_CLASS = {"train": 10, "val": 10, "test": 40}
SEEDS = (0, 1, 2)
SCRATCH_RATES = (3e-3, 1e-2, 3e-2)
SCRATCH_EPOCHS = 40


def draw_leaves(folder: Path, seed: int, per_class: dict[str, int] = LABELS_PER_CLASS) -> None:
    """Writes a folder of generated leaves with `train/`, `val/` and `test/`. Test pictures do not depend on `seed`.

    Raises:
        InputError: if the folder exists and was not written by this function.
        DiskError: if it cannot be written.
    """
    with drawn(folder) as staging:
        for split, count in per_class.items():
            for index, leaf in enumerate(LEAVES):
                rng = np.random.default_rng([0 if split == "test" else seed + 1, index, len(split)])
                target = staging / split / leaf.name
                target.mkdir(parents=True)
                for number in range(count):
                    picture = tf.io.encode_png(draw_leaf(leaf, rng, IMAGE_SIZE)).numpy()
                    (target / f"{leaf.name}{number:02}.png").write_bytes(picture)


def tell_leaves(output: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Runs the demo: trains on ten pictures of each of eight leaf species, exports, predicts, and compares.

    It takes two to three minutes.

    Args:
        output: folder for the results.
        quiet: whether to print nothing.

    Returns:
        A dict: `accuracy` is the median over three seeds and `accuracies` the values, each by training method;
        `version` is the exported version, `files` the files beside it, and `seconds` the time taken.
    """
    begin = time.monotonic()
    say = sayer(quiet)
    say("A MobileNet of 0.2 million weights, trained on patterns drawn by formula, learns to tell leaves apart.\n")
    accuracies: dict[str, list[float]] = {"raw pixels": [], "from scratch": [], "transfer": []}
    output = output.expanduser()
    folder = output / "leaves"
    check_writable(output)

    say("1  an image folder: 8 classes, 10 labelled pictures of each to train on")
    draw_leaves(folder, SEEDS[0])
    images = _read(folder, SEEDS[0])
    say(f"{images}\n")

    say("2  train: the head first, then one more stage at a time")
    model, history = _transfer(images, SEEDS[0], verbose=0 if quiet else 2)
    kept = save_run(output, model, images, history, images.test)
    accuracies["transfer"].append(kept.report.metrics["accuracy"])
    say(f"\n3  evaluate, on pictures nobody has trained on or chosen by\n{kept.report}\n")
    say(f"4  export\n{kept.version} (a SavedModel for TF Serving)\n")

    say("5  answers from the SavedModel, from the bytes of files")
    served = load(kept.version)
    asked = [folder / "test" / leaf.name / f"{leaf.name}00.png" for leaf in LEAVES]
    for path, prediction in zip(asked, served.predict(asked), strict=True):
        mark = "✓" if prediction.class_name == path.parent.name else "✗"
        say(f"   {path.relative_to(output)!s:<34} {mark} {prediction}")

    say(f"\n6  is it the transfer? The same task for others, {len(SEEDS)} seeds")
    scratch = Scratch(partial(_model, images.num_classes, None), SCRATCH_RATES, SCRATCH_EPOCHS)
    for seed in SEEDS:
        if seed != SEEDS[0]:
            draw_leaves(folder, seed)
            images = _read(folder, seed)
            accuracies["transfer"].append(_accuracy(_transfer(images, seed)[0], images))
        accuracies["raw pixels"].append(_raw_pixels(images))
        accuracies["from scratch"].append(scratch.best_accuracy(images, seed))
        say(f"   seed {seed}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in accuracies.items()))
    medians = {name: median(values) for name, values in accuracies.items()}
    say_medians(
        say,
        medians,
        {
            "raw pixels": "logistic regression on the pixels",
            "from scratch": f"the same network from random weights, best of {len(SCRATCH_RATES)} learning rates",
            "transfer": "the same network from the shipped weights",
        },
    )
    seconds = time.monotonic() - begin
    say(f"\npictures in {output}: {', '.join(file for file in kept.files if file.endswith('.png'))}")
    say(f"try:  keras-transfer predict {output} {folder / 'test' / 'oak' / 'oak03.png'}")
    say(f"done in {seconds:.0f} s")
    return {
        "accuracy": medians,
        "accuracies": accuracies,
        "version": str(kept.version),
        "files": [str(output / file) for file in kept.files],
        "seconds": seconds,
    }


def _read(folder: Path, seed: int) -> ImageData:
    return sources.from_directory(folder, image_size=IMAGE_SIZE, augment="light", batch_size=16, seed=seed)


def _model(num_classes: int, weights: Path | None) -> keras.Model:
    return build_model(
        "MobileNet", num_classes, weights=weights, image_size=IMAGE_SIZE, backbone_options={"alpha": 0.25}
    )


def _transfer(images: ImageData, seed: int, verbose: int = 0) -> tuple[keras.Model, keras.callbacks.History]:
    keras.utils.set_random_seed(seed)
    model = _model(images.num_classes, WEIGHTS)
    return model, fine_tune(
        model, images, schedule="gradual", epochs=16, learning_rate=1e-2, cache=Cache(views=4), verbose=verbose
    )


def _accuracy(model: keras.Model, images: ImageData) -> float:
    return evaluate(model, images.test, class_names=images.class_names).metrics["accuracy"]


def _raw_pixels(images: ImageData) -> float:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def pixels(split: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
        batches = list(split.as_numpy_iterator())
        flat = [batch.reshape(len(batch), -1) / 255 for batch, _ in batches]
        return np.concatenate(flat), np.concatenate([labels for _, labels in batches])

    plain = replace(images, augment="none")
    # PCA keeps all 80 components: the solution is the same, since the penalty is invariant under rotation
    classifier = make_pipeline(PCA(), LogisticRegression(C=1e-2, max_iter=300))
    return float(classifier.fit(*pixels(plain.train)).score(*pixels(images.test)))
