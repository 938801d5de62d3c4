"""Accuracy of recipes on real pictures: every set, every network with real weights, five splits. Writes quality.md.

`python benchmarks/quality.py` runs all of it, for many hours, and writes the page from the runs that are there. Each
run is kept in `quality_runs.jsonl` as soon as it is done, and not done again: delete the file to start anew.
`python benchmarks/quality.py --sets clothing10 animals --networks "MobileNet 0.25" --recipes solve` runs a part, and
`--page` none.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache, partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from accuracy import DATA, WEIGHTS
from runs import Runs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler

ARGUMENTS, sys.argv[1:] = (
    sys.argv[1:],
    [],
)  # the machine's facts are those of `measure`, which takes arguments of its own
from measure import machine  # noqa: E402

import keras_transfer as kt  # noqa: E402

HERE = Path(__file__).parent
BEFORE = HERE / "quality_before.md"
RUNS = Runs(HERE / "quality_runs.jsonl")
SEEDS = range(5)
HELD_OUT = 0.25  # of each class
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1)
NETWORKS = {
    "MobileNet 0.25": ("MobileNet", 0.25, "mobilenet_0.25_224_notop.weights.h5"),
    "MobileNet 0.75": ("MobileNet", 0.75, "mobilenet_0.75_224_notop.weights.h5"),
    "MobileNetV2 0.35": ("MobileNetV2", 0.35, "mobilenetv2_0.35_224_notop.weights.h5"),
    "MobileNetV2 1.0": ("MobileNetV2", 1.0, "mobilenetv2_1.0_224_notop.weights.h5"),
    "EfficientNet-Lite0": (None, None, "efficientnet_lite0_224_notop.keras"),
}
HEADER = """
`python benchmarks/quality.py` makes this page; its code is the protocol. A quarter of each class is held out, by five
seeds, and all recipes see the same splits. The held-out images also choose the epoch, as in `fine_tune`. Recipes have
their default values: 10 epochs, rate 3e-3. "Best regression" is scikit-learn's LogisticRegression on the same
features, standardised, with the penalty that is best on the held-out images: it knows what the others do not. Cells are
medians of the accuracies of the five seeds, in percent, or of as many as stand in brackets; empty ones have not run.
Under the table is the difference of each recipe from the first, over all rows with five seeds, and the mean of the
medians of the expected calibration error on sets with 150 held-out images or more. Recipes of `fine_tune` are
calibrated on the same images. Probabilities that are exactly right give an expected calibration error too, by chance:
0.070 for 245 images with a mean confidence of 0.72, 0.031 for 417 with 0.90, 0.012 for 1,000 with 0.95 (15 bins, 500
draws).
""".strip()

FOOTER = """
## What is not reached

The default shall never be more than 0.3 points below the best regression. It is, by one held-out image, on the two
smallest sets: one of 100 images is 1.0 point, one of 75 is 1.3, and the regression chooses its penalty by these very
images. Tried: a head that is solved on mirror images too (+0.5 points over eight rows of sets and networks, which
`best` does), standardised features, rates from 1e-5 to 1e-3, 3 to 24 epochs, all stages in place of three, light
augmentation. None of them is better on every set; `best` tries the two that are best most often and keeps what the
validation images prefer.
""".strip()

# sets


@cache
def files(name: str) -> tuple[list[str], list[str]]:
    """Returns paths and class names of the pictures of a set."""
    folders = {
        "hymenoptera": ("hymenoptera/train", "hymenoptera/val"),
        "clothing10": ("clothing10/train", "clothing10/test"),
        "animals": ("animals/pictures",),
        "photo": ("pacs/photo",),
        "sketch": ("pacs/sketch",),
    }[name]
    found = sorted(path for folder in folders for path in (DATA / folder).glob("*/*") if path.suffix.lower() != ".gif")
    return [str(path) for path in found], [path.parent.name for path in found]


def digits(seed: int, count: int) -> kt.data.ImageData:
    """Returns handwritten digits of MNIST, drawn with a seed, at 96x96."""
    with np.load(DATA / "digits_mnist_usps.npz") as every:
        images, labels = every["mnist_x_train"], every["mnist_y_train"].astype(np.int64)
    chosen = np.random.default_rng(seed).permutation(len(labels))[: count * 2]
    pixels = np.repeat(images[chosen][..., None], 3, axis=-1)
    return kt.data.from_arrays(pixels, labels[chosen], image_size=96, validation_split=0.5, seed=seed)


def split(labels: Sequence[str] | np.ndarray, seed: int, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to train on, at most so many of a class, and those that are held out, drawn with a seed."""
    (train, held_out), *_ = StratifiedShuffleSplit(1, test_size=HELD_OUT, random_state=seed).split(labels, labels)
    if most is not None:
        drawn = np.random.default_rng(seed).permutation(train)
        classes = np.asarray(labels)[drawn]
        train = np.sort(np.concatenate([drawn[classes == each][:most] for each in np.unique(classes)]))
    return train, held_out


def pictures(name: str, seed: int, most: int | None = None) -> kt.data.ImageData:
    """Returns a set with a quarter held out by a seed, and at most so many training images a class."""
    paths, labels = files(name)
    train, held_out = split(labels, seed, most)
    rows = [*((row, "train") for row in train), *((row, "validation") for row in held_out)]
    table = {
        "image": [paths[row] for row, _ in rows],
        "label": [labels[row] for row, _ in rows],
        "split": [split for _, split in rows],
    }
    return kt.data.from_dataframe(table, split_column="split", seed=seed)


SETS: dict[str, Callable[[int], kt.data.ImageData]] = {
    "hymenoptera": lambda seed: pictures("hymenoptera", seed),
    "clothing10": lambda seed: pictures("clothing10", seed),
    "animals": lambda seed: pictures("animals", seed),
    "sketch, 10 a class": lambda seed: pictures("sketch", seed, 10),
    "sketch, 50 a class": lambda seed: pictures("sketch", seed, 50),
    "sketch": lambda seed: pictures("sketch", seed),
    "photo, 10 a class": lambda seed: pictures("photo", seed, 10),
    "photo, 50 a class": lambda seed: pictures("photo", seed, 50),
    "photo": lambda seed: pictures("photo", seed),
    "digits, 1000": lambda seed: digits(seed, 1000),
}

# with 150 held-out images or more, from which on a calibration error is told
MANY = {name for name in SETS if name.startswith(("sketch", "photo", "digits"))}

# recipes


def candidate_of(name: str) -> kt.Candidate:
    """Returns a network with its ImageNet weights."""
    backbone, alpha, weights = NETWORKS[name]
    if backbone is None:
        loaded = keras.models.load_model(WEIGHTS / weights, compile=False)
        return kt.Candidate(kt.Backbone(loaded, lambda pixels: (pixels - 127) / 128, image_size=224))
    return kt.Candidate(backbone, WEIGHTS / weights, backbone_options={"alpha": alpha})


def best_regression(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, expected: np.ndarray
) -> tuple[float, float]:
    """Fits logistic regressions. Returns the best accuracy on the held-out rows, and the C that gave it."""
    scaler = StandardScaler().fit(features)
    features, held_out = scaler.transform(features), scaler.transform(held_out)
    found = {
        C: float(LogisticRegression(C=C, max_iter=2000).fit(features, labels).score(held_out, expected))
        for C in PENALTIES
    }
    best = max(found, key=found.__getitem__)
    return found[best], best


def regression(model: keras.Model, data: kt.data.ImageData) -> dict[str, Any]:
    """Returns the best logistic regression on the features, chosen with knowledge of the held-out images."""
    known = kt.extract_features(model, data, verbose=0)
    accuracy, best = best_regression(*known, *kt.extract_features(model, data.validation, verbose=0))
    return {"accuracy": accuracy, "C": best}


def schedule(chosen: str | kt.schedules.Schedule) -> Callable[[keras.Model, kt.data.ImageData], dict[str, Any]]:
    """Returns a recipe that is a schedule of `fine_tune`."""

    def run(model: keras.Model, data: kt.data.ImageData) -> dict[str, Any]:
        kt.fine_tune(model, data, schedule=chosen, verbose=0)
        return scores(model, data)

    return run


def keras_guide(model: keras.Model, data: kt.data.ImageData) -> dict[str, Any]:
    """The recipe of Keras' guide to transfer learning, by Keras alone, with the same network and preprocessing.

    https://keras.io/guides/transfer_learning/: flips and rotations, 20 epochs of the head at 1e-3 on the frozen
    network, then 10 epochs of everything at 1e-5, with BatchNorm in inference mode throughout.
    """
    base = keras.Model(model.inputs, model.get_layer("features").output)
    base.trainable = False
    images = keras.Input((*data.image_size, 3))
    augmented = keras.layers.RandomRotation(0.1)(keras.layers.RandomFlip("horizontal")(images))
    features = keras.layers.Dropout(0.2)(base(augmented, training=False))
    whole = keras.Model(images, keras.layers.Dense(data.num_classes, activation="softmax")(features))
    for open_part, rate, epochs in ((False, 1e-3, 20), (True, 1e-5, 10)):
        base.trainable = open_part
        whole.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        whole.fit(data.train, epochs=epochs, shuffle=False, verbose=0)
    return scores(whole, data)


def scores(model: keras.Model, data: kt.data.ImageData) -> dict[str, Any]:
    """Returns what is recorded of a model: accuracy, loss and calibration error on the held-out images."""
    found = kt.evaluate(model, data.validation).metrics
    return {name: found[name] for name in ("accuracy", "loss", "calibration_error")}


def by_name(recipe: str) -> Callable[[keras.Model, kt.data.ImageData], dict[str, Any]]:
    """Returns a recipe of `fine_tune`."""

    def run(model: keras.Model, data: kt.data.ImageData) -> dict[str, Any]:
        kt.fine_tune(model, data, recipe=recipe, verbose=0)
        return scores(model, data)

    return run


RECIPES: dict[str, Callable[[keras.Model, kt.data.ImageData], dict[str, Any]]] = {
    "best regression": regression,
    "Keras' guide": keras_guide,
    "recipe fast": by_name("fast"),
    "recipe default": by_name("default"),
    "recipe best": by_name("best"),
    "feature_extraction": schedule("feature_extraction"),
    "solve": schedule("solve"),
    "gradual": schedule("gradual"),
    "solve, gradual": schedule(kt.schedules.from_solved("gradual")),
    "linear_probe_then_fine_tune": schedule("linear_probe_then_fine_tune"),
    "solve, fine-tune": schedule(kt.schedules.from_solved("linear_probe_then_fine_tune")),
    "multilayer, solve": schedule("solve"),
    "multilayer, solve, gradual": schedule(kt.schedules.from_solved("gradual")),
}


def run(name: str, network: str, recipe: str, seed: int) -> dict[str, Any]:
    """Does a run: reads the set, builds the network, follows the recipe."""
    data = SETS[name](seed)
    model = candidate_of(network).build(data, head="multilayer" if recipe.startswith("multilayer") else "linear")
    begin = time.perf_counter()
    return {**RECIPES[recipe](model, data), "recipe_seconds": time.perf_counter() - begin}


# the page


def page(rows: list[dict[str, Any]]) -> str:
    """Returns the page: the medians of every recipe for each set and network, and how recipes differ over all."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    recipes = [name for name in RECIPES if any(row["recipe"] == name for row in rows)]
    lines = ["# Accuracy on real pictures", "", HEADER, "", f"Made on {date.today()} on {facts}.", ""]
    lines += ["| set | network | " + " | ".join(recipes) + " |", "|---" * (len(recipes) + 2) + "|"]
    differences: dict[str, list[float]] = {recipe: [] for recipe in recipes}
    errors: dict[str, list[float]] = {recipe: [] for recipe in recipes}
    seconds: dict[str, list[float]] = {recipe: [] for recipe in recipes}
    for name, network in product(SETS, NETWORKS):
        here = [row for row in rows if row["set"] == name and row["network"] == network]
        found = {
            recipe: sorted((row for row in here if row["recipe"] == recipe), key=lambda row: row["seed"])
            for recipe in recipes
        }
        if not here:
            continue
        whole = {recipe: done for recipe, done in found.items() if len(done) == len(SEEDS)}
        middle = {recipe: 100 * median(row["accuracy"] for row in done) for recipe, done in whole.items()}
        cells = [_cell([row["accuracy"] for row in found[recipe]]) for recipe in recipes]
        lines.append(f"| {name} | {network} | " + " | ".join(cells) + " |")
        for recipe, value in middle.items():
            seconds[recipe] += [row["recipe_seconds"] for row in found[recipe]]
            if name in MANY and all("calibration_error" in row for row in found[recipe]):
                errors[recipe].append(median(row["calibration_error"] for row in found[recipe]))
            if recipes[0] in middle:
                differences[recipe].append(value - middle[recipes[0]])
    columns = ("recipe", "mean difference, points", "worst", "best", "rows", "seconds, median", "calibration error")
    if any(differences.values()):
        lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for recipe, values in differences.items():
        if values:
            spread = f"{np.mean(values):+.2f} | {min(values):+.1f} | {max(values):+.1f}"
            error = f"{np.mean(errors[recipe]):.3f}" if errors[recipe] else ""
            lines.append(f"| {recipe} | {spread} | {len(values)} | {median(seconds[recipe]):.1f} | {error} |")
    return "\n".join([*lines, "", BEFORE.read_text().strip(), "", FOOTER]) + "\n"


def _cell(accuracies: list[float]) -> str:
    """Writes the median in percent, with the number of seeds where not all have run."""
    if not accuracies:
        return ""
    few = "" if len(accuracies) == len(SEEDS) else f" ({len(accuracies)})"
    return f"{100 * median(accuracies):.1f}{few}"


def main() -> None:
    """Does the runs that are asked for and not there yet, then writes the page."""
    if not DATA.is_dir() or not WEIGHTS.is_dir():
        sys.exit(f"needs {DATA} and {WEIGHTS}; set KERAS_TRANSFER_DATA and KERAS_TRANSFER_WEIGHTS")
    parser = argparse.ArgumentParser()
    for name, every in (("sets", SETS), ("networks", NETWORKS), ("recipes", RECIPES)):
        parser.add_argument(f"--{name}", nargs="+", choices=list(every), default=list(every))
    parser.add_argument("--page", action="store_true", help="only write the page")
    wanted = parser.parse_args(ARGUMENTS)
    every = product(wanted.sets, wanted.networks, SEEDS, wanted.recipes)
    for name, network, seed, recipe in () if wanted.page else every:
        named = {"set": name, "network": network, "recipe": recipe, "seed": seed}
        RUNS.once(named, partial(run, name, network, recipe, seed))
    (HERE / "quality.md").write_text(page(RUNS.known()), encoding="utf-8")


if __name__ == "__main__":
    main()
