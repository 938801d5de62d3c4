"""Adaptation without labels, on digits and on PACS: every method beside source only, three seeds. Writes adaptation.md.

`python benchmarks/adaptation.py` runs all of it, an hour and a half on two cores, and writes the tables from the runs
that are there. Each run is kept in `adaptation_runs.jsonl` as soon as it is done, and not done again: delete the file
to start anew. `python benchmarks/adaptation.py digits`, `pacs`, `augmented` or `light` runs a part.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from accuracy import DATA, WEIGHTS
from keras import layers
from runs import Runs

# the machine's facts are those of `measure`, which takes arguments of its own
ARGUMENTS, sys.argv[1:] = sys.argv[1:], []
from measure import machine  # noqa: E402

import keras_transfer as kt  # noqa: E402

HERE = Path(__file__).parent
RUNS = Runs(HERE / "adaptation_runs.jsonl")
SEEDS = (0, 1, 2)
WITHOUT_SOURCE = "information_maximization, no source"
METHODS = ("none", *(name for name in kt.available("alignment") if name != "none"), WITHOUT_SOURCE)
LIGHT = ("dann, weight 0.1", "cdan, weight 0.1")  # on PACS both lose with weight 1: is it the weight?
DIGITS = (("mnist", "usps", "none"), ("usps", "mnist", "none"))
AUGMENTED = (("mnist", "usps", "upright"),)
SIDE = 96  # of PACS, in pixels
VALIDATORS = kt.available("validator")
HEADER = """
`python benchmarks/adaptation.py` makes this page; its code is the protocol. Every method has its default values, and
weight 1 unless a row says otherwise: none was tuned. All runs of a task, source only among them, have one network,
schedule, pictures and augmentation, and end with the weights of the epoch that information maximisation likes best on
validation images (MixStyle: the source's accuracy), without a label of the target. Only the rows without a source
differ: they go on from source only, for half as many epochs or a little more. "Warned" counts runs that ended with a
warning of a class that vanished or of shares of classes far from the source's. Rows with another weight were made after
the others, since adversarial methods lost with weight 1 on PACS, and were no candidates for the validators. On digits
BatchNorm is open, and part of a gain is that its statistics follow the target too: compare with AdaBN. The runs of
PACS, where BatchNorm is frozen, and source only and AdaBN on digits are older than the pass of its own that each domain
now has: those of PACS drew other masks of dropout, had a floor of 1e-7 under the logarithms of probabilities, and mixed
styles by another draw.
""".strip()
DIGIT_RUNS = """
2,000 labelled digits of the source and 1,800 of the target, drawn with the seed, a tenth of either for validation; a
network like LeNet from scratch, 12 epochs; accuracy on the target's test set.
""".strip()
PACS = """
MobileNetV2 with ImageNet weights and a hidden layer before the classes, at 96x96: the head for 2 epochs, then with it
the last two stages for 6, on stored activations; a fifth of either domain for validation; accuracy on all 980 sketches,
whose pictures but not labels were trained on.
""".strip()


# digits


@cache
def arrays() -> dict[str, np.ndarray]:
    """Returns the arrays of MNIST and USPS."""
    with np.load(DATA / "digits_mnist_usps.npz") as file:
        return {name: file[name] for name in file.files}


def pictures(name: str, split: str, chosen: slice | np.ndarray = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Returns digits as RGB uint8 `(count, 28, 28, 3)` and their labels."""
    images = arrays()[f"{name}_x_{split}"][chosen][..., None].astype("float32")
    resized = tf.image.resize(images, (28, 28)).numpy().round().astype("uint8")
    return np.repeat(resized, 3, axis=-1), arrays()[f"{name}_y_{split}"][chosen].astype(np.int64)


def draw(name: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns some training digits, drawn with a seed."""
    total = len(arrays()[f"{name}_y_train"])
    return pictures(name, "train", np.random.default_rng(seed).permutation(total)[:count])


def lenet() -> kt.Backbone:
    """Returns a network like LeNet, from scratch, with BatchNorm whose statistics settle within the run."""
    x = images = keras.Input((28, 28, 3))
    for index, filters in enumerate((16, 32), start=1):
        x = layers.Conv2D(filters, 5, padding="same", use_bias=False, name=f"conv{index}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{index}")(x)
        x = layers.MaxPooling2D(name=f"pool{index}")(layers.Activation("relu", name=f"relu{index}")(x))
    ends = (("first", "pool1"), ("second", ""))
    return kt.Backbone(keras.Model(images, x), lambda pixels: pixels / 127.5 - 1, 28, stages=ends)


def digits(source: str, target: str, augment: str, method: str, seed: int) -> dict[str, Any]:
    """Trains once and returns accuracies on the target's test set and what validators say."""
    options: dict[str, Any] = {"augment": augment, "batch_size": 64, "validation_split": 0.1, "seed": seed}
    labelled = kt.data.from_arrays(*draw(source, 2000, seed), **options)
    unlabelled = kt.data.unlabelled(draw(target, 1800, seed + 1000)[0], **options)
    head = partial(kt.heads.mlp, units=(128,), dropout=0.5)
    model = kt.build_model(lenet(), 10, weights=None, image_size=28, pooling="flatten", head=head)
    run = partial(kt.adapt, train_batch_norm=True, rate="one_cycle", verbose=0)
    learn = (kt.Phase(12, "all", 2e-3),)
    history = adapted(run, model, labelled, unlabelled, method, learn, kt.Phase(6, kt.stages(model), 2e-4))
    images, labels = pictures(target, "test")
    right = model.predict(images, batch_size=500, verbose=0).argmax(axis=1) == labels
    return {"accuracy": float(right.mean()), **judged(model, labelled, unlabelled), **lasted(history)}


def adapted(
    run: Callable[..., keras.callbacks.History],
    model: keras.Model,
    source: kt.data.ImageData,
    target: kt.data.ImageData,
    method: str,
    learn: tuple[kt.Phase, ...],
    alone: kt.Phase,
) -> keras.callbacks.History:
    """Trains by a method in the phases `learn`; without source data first on the source, then the phase `alone`."""
    if method == WITHOUT_SOURCE:
        run(model, source, target, method="none", schedule=learn)
        model.compile()
        return run(model, None, target, method="information_maximization", schedule=(alone,))
    if method == "mixstyle":
        return run(model, [source], None, method=method, schedule=learn)
    name, _, weight = method.partition(", weight ")
    return run(model, source, target, method=name, weight=float(weight or 1), schedule=learn)


# PACS


@cache
def activations() -> str:
    """Returns a folder for what the frozen stages give, which is the same in all runs."""
    return tempfile.mkdtemp(prefix="adaptation_")


def pacs(method: str, seed: int) -> dict[str, Any]:
    """Trains once and returns the accuracy on all sketches and what validators say."""
    options: dict[str, Any] = {"image_size": SIDE, "seed": seed}
    photos = kt.data.from_directory(DATA / "pacs" / "photo", **options)
    sketches = kt.data.unlabelled(DATA / "pacs" / "sketch", **options)
    head = partial(kt.heads.mlp, units=(256,), dropout=0.5)
    weights = WEIGHTS / "mobilenetv2_1.0_224_notop.weights.h5"
    model = kt.build_model("MobileNetV2", 7, weights=weights, image_size=SIDE, head=head)
    run = partial(kt.adapt, rate="one_cycle", verbose=0, cache=kt.Cache("disk", activations()))
    opened = 2  # stages, input last: half of the network's weights and more
    learn = (kt.Phase(2, "head", 3e-3), kt.Phase(6, opened, 3e-4))
    alone = kt.Phase(4, kt.stages(model)[-opened:], 1e-4)
    history = adapted(run, model, photos, sketches, method, learn, alone)
    labelled = kt.data.from_directory(DATA / "pacs" / "sketch", **options)
    right = [
        model.predict_on_batch(images).argmax(axis=1) == labels
        for split in labelled.splits
        for images, labels in labelled.in_order(split)
    ]
    return {"accuracy": float(np.concatenate(right).mean()), **judged(model, photos, sketches), **lasted(history)}


# what both share


def judged(model: keras.Model, source: Any, target: Any) -> dict[str, float]:
    """Returns what each validator says of a trained model, on validation images of both domains."""
    from keras_transfer.adaptation.watching import network_of, outputs_of

    network = network_of(model)
    found = outputs_of(network, source.validation), outputs_of(network, target.validation)
    return {name: kt.validators.VALIDATORS.find(name)(*found) for name in VALIDATORS}


def lasted(history: keras.callbacks.History) -> dict[str, Any]:
    """Returns the epoch whose weights the run ended with, from 1; 0 if nothing was trained."""
    values = history.history.get(history.validator, [])
    return {"epoch": int(np.argmax(values)) + 1 if values else 0}


def main() -> None:
    """Does the runs that are asked for and not there yet, then writes the page."""
    wanted = ARGUMENTS or ["digits", "pacs", "augmented", "light"]
    if not DATA.is_dir() or not WEIGHTS.is_dir():
        sys.exit(f"needs {DATA} and {WEIGHTS}; set KERAS_TRANSFER_DATA and KERAS_TRANSFER_WEIGHTS")
    parts = {
        "digits": (DIGITS, METHODS),
        "pacs": ((None,), METHODS),
        "augmented": (AUGMENTED, METHODS),
        "light": ((*DIGITS, None), LIGHT),
    }
    for part in wanted:
        tasks, methods = parts[part]
        for task, seed, method in product(tasks, SEEDS, methods):
            run = partial(pacs, method, seed) if task is None else partial(digits, *task, method, seed)
            RUNS.once({"task": name_of(task), "method": method, "seed": seed}, run)
    (HERE / "adaptation.md").write_text(page(RUNS.known()), encoding="utf-8")


def name_of(task: tuple[str, str, str] | None) -> str:
    """Names a task of digits, or that of PACS."""
    if task is None:
        return "PACS photo to sketch"
    source, target, augment = task
    named = f"{source.upper()} to {target.upper()}"
    return named if augment == "none" else f"{named}, augmented"


def page(rows: list[dict[str, Any]]) -> str:
    """Returns the page: a table for each task, medians and seeds, nothing left out."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = [
        "# Adaptation without labels",
        "",
        HEADER,
        "",
        f"Made on {date.today()} on {facts}.",
        "",
    ]
    named = map(name_of, (*DIGITS, None, *AUGMENTED))
    for task in [name for name in named if any(row["task"] == name for row in rows)]:
        about = PACS if task.startswith("PACS") else DIGIT_RUNS
        lines += [f"## {task}", "", about, "", *table([row for row in rows if row["task"] == task]), ""]
    return "\n".join(lines).rstrip() + "\n"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Returns the lines of a task: accuracy of each method, and what each validator would have chosen."""
    by_method = {
        method: sorted((row for row in rows if row["method"] == method), key=lambda row: row["seed"])
        for method in (*METHODS, *LIGHT)
        if any(row["method"] == method for row in rows)
    }
    middle = {method: median(row["accuracy"] for row in found) for method, found in by_method.items()}
    base = middle.get("none", float("nan"))
    lines = ["| method | accuracy, median | gain, points | seeds | warned |", "|---|---|---|---|---|"]
    for method, value in sorted(middle.items(), key=lambda item: -item[1]):
        seeds = " ".join(f"{row['accuracy']:.3f}" for row in by_method[method])
        warned = sum(bool(row["warnings"]) for row in by_method[method])
        shown = "source only" if method == "none" else method
        lines.append(
            f"| {shown} | {value:.3f} | {100 * (value - base):+.1f} | {seeds} | {warned} of {len(seeds.split())} |"
        )
    lines += ["", "| validator | chooses, by seed | accuracy, median | gain, points |", "|---|---|---|---|"]
    seeds_there = sorted({row["seed"] for row in rows})
    rows = [row for row in rows if row["method"] not in LIGHT]
    for validator in VALIDATORS:
        chosen = [
            max((row for row in rows if row["seed"] == seed), key=lambda row: row[validator]) for seed in seeds_there
        ]
        value = median(row["accuracy"] for row in chosen)
        names = ", ".join(row["method"].replace("none", "source only") for row in chosen)
        lines.append(f"| {validator} | {names} | {value:.3f} | {100 * (value - base):+.1f} |")
    return lines


if __name__ == "__main__":
    main()
