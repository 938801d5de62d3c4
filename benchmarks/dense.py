"""A class for each pixel with real weights: street scenes and membranes. Writes dense.md.

`python benchmarks/dense.py` trains MobileNetV2 with a decoder from ImageNet's weights and from scratch, with the same
steps, and tests each on pictures that it has not seen. Runs are kept in `dense_runs.jsonl` and not done again; `--page`
only writes the page. `--speed` measures an epoch of a decoder alone on cached maps beside plain `fit`.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import keras
from quality import ARGUMENTS, DATA, WEIGHTS, machine
from recipes import EpochTimes
from runs import Runs

import keras_transfer as kt

HERE = Path(__file__).parent
RUNS = Runs(HERE / "dense_runs.jsonl")
FILE = "mobilenetv2_1.0_224_notop.weights.h5"
SCENES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist")
SEEDS = range(3)
WEIGHTS_OF = ("pretrained", "random")
RATE, EPOCHS = 1e-3, {"street scenes": 20, "membranes": 40}
HEADS = {"street scenes": ("fpn", "deeplabv3plus"), "membranes": ("unet",)}
HEADER = """
`python benchmarks/dense.py` makes this page; its code is the protocol. MobileNetV2 1.0 with a decoder, all of it
trained at up to 1e-3 along a cosine, with augment="light" and batches of 8 (4 for membranes, which may be turned too).
BatchNorm of the backbone is frozen with ImageNet's weights, and trains from scratch. The weights of the epoch with the
smallest validation loss are tested. Street scenes are CamVid, 367 pictures to train on, 101 for validation and 233 to
test, here of 224x288. Membranes are ISBI 2012, 22 pictures to train on, here of 256x256; its other 8 are validation and
test in one, so that these numbers are a little too good for both kinds of weights.
""".strip()


def scenes(seed: int) -> kt.data.ImageData:
    """Returns the street scenes, eleven classes; what is none of them has no label."""
    return kt.data.from_masks(
        DATA / "camvid", image_size=(224, 288), class_names=SCENES, ignore=11, augment="light", seed=seed
    )


def membranes(seed: int) -> kt.data.ImageData:
    """Returns the pictures of membranes; each may be looked at from any side."""
    return kt.data.from_masks(
        DATA / "membranes",
        image_size=256,
        class_names=("membrane", "cell"),
        augment=["any_side_up", "light"],
        batch_size=4,
        seed=seed,
    )


READERS: dict[str, Callable[[int], kt.data.ImageData]] = {"street scenes": scenes, "membranes": membranes}


def train(name: str, head: str, weights: str, seed: int) -> dict[str, Any]:
    """Trains on a set, and returns the metrics on its test pictures."""
    data = READERS[name](seed)
    keras.utils.set_random_seed(seed)
    file = WEIGHTS / FILE if weights == "pretrained" else None
    model = kt.build_model("MobileNetV2", data.num_classes, weights=file, image_size=data.image_size, head=head)
    begun = perf_counter()
    everything, norm = (kt.Phase(EPOCHS[name], "all", RATE),), False if file else 0.9
    kt.fine_tune(model, data, schedule=everything, rate="warmup_cosine", train_batch_norm=norm, verbose=0)
    spent = perf_counter() - begun
    report = kt.evaluate(model, data.test or data.validation)
    of_classes = {each: row["iou"] for each, row in report.per_class.items()}
    return {**report.metrics, "iou": of_classes, "training_seconds": spent}


def speed() -> dict[str, Any]:
    """Returns the seconds of an epoch of a decoder alone: by plain `fit`, and on cached maps after the first one."""
    data = kt.data.from_masks(DATA / "camvid", image_size=(224, 288), class_names=SCENES, ignore=11)
    found = {}
    for named, cache in (("plain", False), ("cached", "auto")):
        model = kt.build_model("MobileNetV2", 11, weights=WEIGHTS / FILE, image_size=(224, 288), head="fpn")
        times = EpochTimes()
        phases = (kt.Phase(4, "head", RATE),)
        begun = perf_counter()
        history = kt.fine_tune(model, data, schedule=phases, cache=cache, callbacks=[times], verbose=0)
        found[named] = median(times.seconds[1:])
        found[f"{named}_whole"] = perf_counter() - begun
        found["accuracy"] = history.history["val_accuracy"][-1]
    return {**found, "ratio": found["plain"] / found["cached"]}


def page() -> str:
    """Returns the page of all runs that are there."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = ["# A class for each pixel, with real weights", "", HEADER, "", f"Made on {date.today()} on {facts}.", ""]
    columns = ("mean_iou", "accuracy", "boundary_f1", "training_seconds")
    lines += ["| set | head | weights | seeds | mean IoU | pixels right | outlines | seconds |", "|---" * 8 + "|"]
    known = [row for row in RUNS.known() if "head" in row]
    for name, heads in HEADS.items():
        for head in heads:
            for weights in WEIGHTS_OF:
                rows = [row for row in known if (row["set"], row["head"], row["weights"]) == (name, head, weights)]
                if rows:
                    cells = [median(row[column] for row in rows) for column in columns]
                    shown = [*(f"{value:.3f}" for value in cells[:3]), f"{cells[3]:.0f}"]
                    lines.append(f"| {name} | {head} | {weights} | {len(rows)} | {' | '.join(shown)} |")
    for name, heads in HEADS.items():
        rows = [row for row in known if (row["set"], row["weights"], row["head"]) == (name, "pretrained", heads[0])]
        if rows:
            shown = ", ".join(f"{each} {median(row['iou'][each] for row in rows):.3f}" for each in rows[0]["iou"])
            lines += ["", f"Intersection over union on {name}, {heads[0]}: {shown}."]
    for row in RUNS.known():
        if "ratio" in row:
            lines += ["", f"An epoch of the decoder fpn alone, by plain fit {row['plain']:.1f} s, on cached maps "
                      f"{row['cached']:.1f} s: {row['ratio']:.1f} times faster. Four epochs with the pass that fills "
                      f"the cache: {row['plain_whole']:.0f} s and {row['cached_whole']:.0f} s."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what is missing, and writes the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--page", action="store_true", help="only write the page")
    arguments.add_argument("--speed", action="store_true", help="measure an epoch on cached maps beside plain fit")
    given = arguments.parse_args(ARGUMENTS)
    if given.speed:
        RUNS.once({"measured": "an epoch of a decoder", "seed": 0}, speed)
    elif not given.page:
        for seed in SEEDS:
            for name, heads in HEADS.items():
                for head in heads:
                    for weights in WEIGHTS_OF:
                        named = {"set": name, "head": head, "weights": weights, "seed": seed}
                        RUNS.once(named, partial(train, name, head, weights, seed))
    (HERE / "dense.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
