"""Sounds with real weights: spoken digits of a new speaker. Writes sounds.md.

`python benchmarks/sounds.py` trains on four speakers of the free spoken digit set and tests on the fifth: MobileNetV2
with ImageNet's weights on pictures of the sounds beside the same network from scratch, and YAMNet beside itself with
random weights. The settings were chosen with lucas or george held out, who are not among the speakers that it
measures. Runs are kept in `sounds_runs.jsonl` and not done again; `--page` only writes the page.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from quality import ARGUMENTS, DATA, WEIGHTS, machine
from runs import Runs

import keras_transfer as kt

HERE = Path(__file__).parent
RUNS = Runs(HERE / "sounds_runs.jsonl")
SPEAKERS = ("theo", "jackson", "nicolas")
SEEDS = range(1)
CLIPS = {"MobileNet 0.75": 30, "MobileNetV2": 30, "YAMNet to layer 9": 5, "YAMNet": 5}
VALIDATION = 6  # further clips of a class, of the speakers that are trained on
SECONDS = {"MobileNet 0.75": 1.0, "MobileNetV2": 2.28275}  # the second is that of the longest recording
EPOCHS = 30
RATE = 1e-3
WEIGHTS_OF = ("pretrained", "random")
HEADER = """
`python benchmarks/sounds.py` makes this page; its code is the protocol. The recordings are those of the free spoken
digit set, ten digits at 8 kHz. Training clips are drawn from four speakers, the test is all recordings of the fifth;
the table has the median over the held-out speakers, with the least and the most. MobileNet 0.75 sees pictures of
128x128 of one second, MobileNetV2 1.0 such of 96x96 of the length of the longest recording; all of them is trained for
30 epochs at up to 1e-3, with train_batch_norm=0.9 and augment="strong". The settings were chosen with two other
speakers held out, lucas and george, one seed each: MobileNet 0.75 reached 0.870 and 0.830 at 96x96, 0.903 and 0.840 at
128x128, 0.947 and 0.797 at 160x160, and with 60 epochs at 96x96 0.887 and 0.620; MobileNetV2 1.0 at 96x96 between 0.64
and 0.83. One run differs from the next by 0.1. YAMNet is frozen and its head solved. Its last layers tell a bark from a
siren, but not one word from another: "YAMNet to layer 9" takes the map of layer 9, of six by four places in time and
pitch, without averaging, and brings all recordings to one peak (those of the speaker theo are ten times quieter).
""".strip()


def folders(held: str, clips: int, seed: int, root: Path) -> Path:
    """Makes class folders of links: so many clips of each digit for training, and the held-out speaker as the test."""
    rng = np.random.default_rng(seed)
    for digit in sorted(path for path in (DATA / "spoken_digits").iterdir() if path.is_dir()):
        files = sorted(digit.glob("*.wav"))
        others = rng.permutation([str(file) for file in files if held not in file.name])
        parts = {
            "train": others[:clips],
            "val": others[clips : clips + VALIDATION],
            "test": [str(file) for file in files if held in file.name],
        }
        for part, chosen in parts.items():
            (root / part / digit.name).mkdir(parents=True)
            for file in map(Path, chosen):
                (root / part / digit.name / file.name).symlink_to(file)
    return root


def accuracy(model: keras.Model, data: kt.data.SoundData) -> dict[str, Any]:
    """Returns the share of right answers for the new speaker."""
    return {"accuracy": kt.evaluate(model, data.test).metrics["accuracy"]}


def pictures(weights: str, data: kt.data.SoundData, network: str, alpha: float, side: int) -> dict[str, Any]:
    """Trains a network of images on pictures of the sounds."""
    file = WEIGHTS / f"{network.lower()}_{alpha}_224_notop.weights.h5" if weights == "pretrained" else None
    heard = kt.LogMel(data.sample_rate, data.seconds, window=0.032, lowest=60)
    model = kt.build_model(
        network, data.num_classes, weights=file, image_size=side, sound=heard, backbone_options={"alpha": alpha}
    )
    strong, everything = replace(data, augment="strong"), (kt.Phase(EPOCHS, "all", RATE),)
    kt.fine_tune(model, strong, schedule=everything, rate="warmup_cosine", train_batch_norm=0.9, verbose=0)
    return accuracy(model, data)


def yamnet(weights: str, data: kt.data.SoundData, last: str | None = None) -> dict[str, Any]:
    """Solves a head on a frozen network of sounds, whole and averaged, or up to a layer and in order."""
    network = keras.models.load_model(WEIGHTS / "yamnet_notop.keras")
    if weights == "random":
        network = keras.models.clone_model(network)
    if last is not None:
        network = keras.Model(network.input, network.get_layer(last).output)
    part = kt.Backbone(network, sound=kt.LogMel(patch=0.96, peak=None if last is None else 1.0))
    pooling = "avg" if last is None else "flatten"
    model = kt.build_model(part, data.num_classes, sound=data, pooling=pooling)
    kt.fine_tune(model, data, schedule="solve", verbose=0)
    return accuracy(model, data)


def run(train: Callable[..., dict[str, Any]], network: str, weights: str, held: str, seed: int) -> dict[str, Any]:
    """Trains on all speakers but one."""
    with tempfile.TemporaryDirectory() as folder:
        heard = network.startswith("YAMNet")
        options = {"sample_rate": 16_000, "seconds": 1.0} if heard else {"seconds": SECONDS[network]}
        root = folders(held, CLIPS[network], seed, Path(folder))
        data = kt.data.from_audio_directory(root, batch_size=16, **options)
        return train(weights, data)


def page() -> str:
    """Returns the page of all runs that are there."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = ["# Sounds with real weights", "", HEADER, "", f"Made on {date.today()} on {facts}.", ""]
    lines += ["| network | clips of a class | speakers | pretrained | random weights |", "|---|---|---|---|---|"]
    for network, clips in CLIPS.items():
        cells = []
        held = sorted({row["held"] for row in RUNS.known() if row["network"] == network})
        for weights in WEIGHTS_OF:
            found = [row["accuracy"] for row in RUNS.known() if (row["network"], row["weights"]) == (network, weights)]
            cells.append(f"{median(found):.3f} ({min(found):.3f} to {max(found):.3f})" if found else "")
        lines.append(f"| {network} | {clips} | {', '.join(held)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what is missing, and writes the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--page", action="store_true", help="only write the page")
    arguments.add_argument("--network", choices=CLIPS, help="run this one alone")
    given = arguments.parse_args(ARGUMENTS)
    trainers = {
        "YAMNet": yamnet,
        "YAMNet to layer 9": partial(yamnet, last="layer9_pw"),
        "MobileNet 0.75": partial(pictures, network="MobileNet", alpha=0.75, side=128),
        "MobileNetV2": partial(pictures, network="MobileNetV2", alpha=1.0, side=96),
    }
    if not given.page:
        for seed in SEEDS:
            for network, train in trainers.items():
                if given.network not in (None, network):
                    continue
                for held in SPEAKERS:
                    for weights in WEIGHTS_OF:
                        named = {"network": network, "weights": weights, "held": held, "seed": seed}
                        RUNS.once(named, partial(run, train, network, weights, held, seed))
    (HERE / "sounds.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
