"""The demo: trains, exports and uses a model on a new task, and compares it with training without transfer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import data as sources
from keras_transfer._checks import InputError
from keras_transfer._folders import check_writable, writable_folder
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.demo.pictures import LEAVES, draw_leaf
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.backbones.finding import default_image_size
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

_MARKER = ".drawn_by_keras_transfer"

Say = Callable[[str], None]


def draw_leaves(folder: Path, seed: int, per_class: dict[str, int] = LABELS_PER_CLASS) -> None:
    """Writes a folder of generated leaves with `train/`, `val/` and `test/`. Test pictures do not depend on `seed`.

    Raises:
        InputError: if the folder exists and was not written by this function.
        DiskError: if it cannot be written.
    """
    if folder.exists() and not (folder / _MARKER).is_file():
        raise InputError(
            f"Expected a folder the demo may write to. Received: {str(folder)!r}, which holds your own files."
        )
    staging = writable_folder(folder.parent)
    (staging / _MARKER).write_text("Drawn by keras_transfer's demo, which may replace this folder.\n")
    for split, count in per_class.items():
        for index, leaf in enumerate(LEAVES):
            rng = np.random.default_rng([0 if split == "test" else seed + 1, index, len(split)])
            target = staging / split / leaf.name
            target.mkdir(parents=True)
            for number in range(count):
                picture = tf.io.encode_png(draw_leaf(leaf, rng, IMAGE_SIZE)).numpy()
                (target / f"{leaf.name}{number:02}.png").write_bytes(picture)
    shutil.rmtree(folder, ignore_errors=True)
    staging.rename(folder)


def run_demo(output: Path, *, quiet: bool = False) -> dict[str, Any]:
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
    say: Say = (lambda text: None) if quiet else partial(print, flush=True)
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
    scratch = _Scratch(images.num_classes)
    for seed in SEEDS:
        if seed != SEEDS[0]:
            draw_leaves(folder, seed)
            images = _read(folder, seed)
            accuracies["transfer"].append(_accuracy(_transfer(images, seed)[0], images))
        accuracies["raw pixels"].append(_raw_pixels(images))
        accuracies["from scratch"].append(scratch.best_accuracy(images, seed))
        say(f"   seed {seed}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in accuracies.items()))
    medians = {name: median(values) for name, values in accuracies.items()}
    say("")
    for name, what in (
        ("raw pixels", "logistic regression on the pixels"),
        ("from scratch", f"the same network from random weights, best of {len(SCRATCH_RATES)} learning rates"),
        ("transfer", "the same network from the shipped weights"),
    ):
        say(f"   {name:<14}{'█' * round(40 * medians[name]):<41}{medians[name]:.3f}  {what}")
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


def run_on_photographs(
    directory: Path | None,
    backbone: str,
    weights: str,
    options: dict[str, Any],
    output: Path,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Trains, evaluates and exports a model on photographs.

    Args:
        directory: folder of class folders; None for a data set of flowers from TensorFlow Datasets.
        backbone: name of the backbone.
        weights: "imagenet", "none" for random weights, or a file.
        options: further arguments of the backbone's constructor.
        output: folder for the results.
        quiet: whether to print nothing.

    Raises:
        InputError: if the folder or an argument cannot be used.
        DownloadError: if weights or photographs are not on this machine and cannot be downloaded.
    """
    say: Say = (lambda text: None) if quiet else partial(print, flush=True)
    size = default_image_size(backbone)
    model_weights = None if weights.lower() == "none" else weights
    build = partial(build_model, backbone, weights=model_weights, image_size=size, backbone_options=options)
    build(num_classes=2)  # raises an error for missing weights before photographs are downloaded
    if directory is None:
        images = sources.from_tfds("tf_flowers", image_size=size)
    else:
        images = sources.from_directory(directory, image_size=size)
    say(str(images))
    check_writable(output)
    model = build(num_classes=images.num_classes)
    history = fine_tune(model, images, verbose=0 if quiet else "auto")
    kept = save_run(output, model, images, history, images.validation)
    say(f"\nvalidation\n{kept.report}\n\nserved version  {kept.version}\nbeside it       {', '.join(kept.files)}")
    return {"version": str(kept.version), "files": [str(output / f) for f in kept.files], **kept.report.to_dict()}


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


class _Scratch:
    """Training of the demo's network from random weights, for comparison.

    The model is compiled once; each run resets its weights and learning rate.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self.rates: tuple[float, ...] = SCRATCH_RATES
        self.model = _model(num_classes, None)
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9  # at 0.99 the statistics do not converge in so few steps
        self.model.compile("adam", "sparse_categorical_crossentropy")
        self.settle = tf.function(lambda images: self.model(images, training=True))

    def best_accuracy(self, images: ImageData, seed: int) -> float:
        """Returns the best test accuracy over the learning rates. Later calls use only the rate that was best first."""
        accuracies = {rate: self._accuracy(images, seed, rate) for rate in self.rates}
        self.rates = (max(accuracies, key=lambda rate: accuracies[rate]),)
        return max(accuracies.values())

    def _accuracy(self, images: ImageData, seed: int, rate: float) -> float:
        keras.utils.set_random_seed(seed)
        self.model.set_weights(_model(self.num_classes, None).get_weights())
        for variable in self.model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        self.model.optimizer.learning_rate = rate
        images.start_epoch(0)
        self.model.fit(images.train.repeat(SCRATCH_EPOCHS), shuffle=False, verbose=0)
        for _ in range(5):
            for batch, _labels in images.train:
                self.settle(batch)  # updates the BatchNorm statistics for the final weights
        return _accuracy(self.model, images)
