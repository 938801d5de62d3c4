"""A solved head on a frozen network, end to end: from 2,000 files on the disk to a head with validation accuracy.

Beside it: plain Keras' twenty epochs, ours, one pass of `model.predict` over the same files, and a second run of ours
over the same folder, in which files and activations are remembered. `PLAIN=3` runs three epochs of plain Keras, and
counts the others as the mean of those after the first, which reads the files; `PLAIN=0` leaves plain Keras out.
`TURNS=1` runs everything once. `TORCH_PYTHON=.../bin/python` adds the same recipe in PyTorch, run by that Python.
KerasHub's task is added where KerasHub is installed and has the network. `ONLY="VGG16 ResNet50"` runs these alone.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean

import keras
from measure import NETWORKS, SIZE, in_turn, photographs, report, timed
from recipes import EpochTimes, hub_model, keras_data, keras_fit, keras_model, our_data, our_model

import keras_transfer as kt

EPOCHS, IMAGES = 20, (2000, 200)  # for training and validation
PLAIN = int(os.environ.get("PLAIN", EPOCHS))  # epochs of plain Keras, of which twenty take up to an hour
TORCH = os.environ.get("TORCH_PYTHON")
ONLY = os.environ.get("ONLY", " ".join(NETWORKS)).split()
TURNS = int(os.environ.get("TURNS", "3"))


def plain(network: str, folder: Path, build: Callable[[str], keras.Model] = keras_model) -> float:
    """Times the recipe of Keras' guide, or the same with another model."""
    model, epochs = build(network), EpochTimes()
    spent = timed(lambda: keras_fit(model, keras_data(folder), 1e-3, PLAIN, epochs))
    return spent + (EPOCHS - PLAIN) * mean(epochs.seconds[1:]) if PLAIN < EPOCHS else spent


def one_pass(network: str, folder: Path) -> float:
    """Times reading the files once and one `predict` over them, training and validation."""
    model = keras_model(network)
    read = partial(keras.utils.image_dataset_from_directory, image_size=(SIZE, SIZE), shuffle=False, verbose=False)

    def run() -> None:
        for split in ("train", "val"):
            model.predict(read(folder / split), verbose=0)

    return timed(run)


def in_torch(network: str, folder: Path) -> float:
    """Returns what PyTorch says it took."""
    script = Path(__file__).with_name("frozen_torch.py")
    done = subprocess.run([TORCH, str(script), str(folder), network], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.splitlines()[-1])


def solved(network: str, folder: Path, where: str = "memory", cache: str | None = None) -> float:
    """Times a solved head, with a cache of its own."""
    model = our_model(network)
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["KERAS_TRANSFER_CACHE"] = cache or fresh
        settings = kt.Cache(where, folder=cache or fresh)
        return timed(lambda: kt.fine_tune(model, our_data(folder), schedule="solve", cache=settings, verbose=0))


def trained(network: str, folder: Path) -> float:
    """Times twenty epochs of the head."""
    model = our_model(network)
    phases = (kt.Phase(EPOCHS, "head", 1e-3),)
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["KERAS_TRANSFER_CACHE"] = fresh
        return timed(lambda: kt.fine_tune(model, our_data(folder), schedule=phases, verbose=0))


def main() -> None:
    """Runs all ways in turn for each network."""
    rows = {}
    for network in ONLY:
        with photographs(*IMAGES) as folder, tempfile.TemporaryDirectory() as remembered:
            ways = {"plain Keras, 20 epochs": plain} if PLAIN else {}
            if PLAIN and hub_model(network) is not None:
                ways["KerasHub's task, 20 epochs"] = partial(plain, build=hub_model)
            ways |= {"PyTorch, features once": in_torch} if TORCH else {}
            ways |= {"one predict": one_pass, "ours, 20 epochs": trained, "ours, solved": solved}
            keras.utils.set_random_seed(0)
            solved(network, folder, "disk", remembered)
            ways["ours, solved again"] = partial(solved, where="disk", cache=remembered)
            rows[f"{network}, {IMAGES[0]:,} images"] = in_turn(
                {name: partial(way, network, folder) for name, way in ways.items()}, TURNS
            )
            report("a solved head, end to end", rows)


if __name__ == "__main__":
    main()
