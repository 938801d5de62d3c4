"""The demo of images: a network trained on patterns drawn by formula learns to tell leaves apart."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import data as sources
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.demo.pictures import LEAVES, draw_leaf
from keras_transfer.demo.saying import draw_classes
from keras_transfer.demo.scratch import Scratch
from keras_transfer.demo.walk import SCRATCH, TRANSFER, FolderDemo
from keras_transfer.models.building import build_model
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

    def draw(index: int, rng: np.random.Generator) -> bytes:
        return bytes(tf.io.encode_png(draw_leaf(LEAVES[index], rng, IMAGE_SIZE)).numpy())

    draw_classes(folder, [leaf.name for leaf in LEAVES], per_class, seed, ".png", draw)


def tell_leaves(output: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Runs the demo: trains on ten pictures of each of eight leaf species, exports, predicts, and compares.

    It takes two to three minutes.

    Args:
        output: folder for the results.
        quiet: whether to print nothing.

    Returns:
        A dict; see `FolderDemo.run`.
    """
    return FolderDemo(
        about="A MobileNet of 0.2 million weights, trained on patterns drawn by formula, learns to tell leaves apart.",
        folder="leaves",
        drawn="an image folder: 8 classes, 10 labelled pictures of each to train on",
        trained="train: the head first, then one more stage at a time",
        judged="pictures nobody has trained on or chosen by",
        asked="from the bytes of files",
        files=[f"test/{leaf.name}/{leaf.name}00.png" for leaf in LEAVES],
        draw=draw_leaves,
        read=_read,
        train=_transfer,
        baseline="raw pixels",
        measure=lambda model, images: _raw_pixels(images),
        scratch=lambda images: Scratch(partial(_model, images.num_classes, None), SCRATCH_RATES, SCRATCH_EPOCHS),
        meanings={
            "raw pixels": "logistic regression on the pixels",
            SCRATCH: f"the same network from random weights, best of {len(SCRATCH_RATES)} learning rates",
            TRANSFER: "the same network from the shipped weights",
        },
    ).run(output, SEEDS, quiet=quiet)


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
