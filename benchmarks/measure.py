"""What every benchmark shares: pictures made on the spot, two ways run in turn, and a table with machine facts."""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NETWORKS = tuple(sys.argv[1:]) or ("MobileNetV2", "EfficientNetB0", "ResNet50", "VGG16")
SIZE = 160


@dataclass(frozen=True)
class Work:
    """How many images a network gets, so that plain Keras needs half a minute to a minute and a half a run."""

    train: int
    validation: int = 32


WORK = {"MobileNetV2": Work(512), "EfficientNetB0": Work(128), "ResNet50": Work(160), "VGG16": Work(32)}


@contextmanager
def photographs(train: int, validation: int, size: int = 240) -> Iterator[Path]:
    """Yields a folder of JPEG files, `train/` and `val/` with two classes each, deleted afterwards."""
    import numpy as np
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        for split, count in (("train", train), ("val", validation)):
            for index in range(count):
                coarse = rng.uniform(0, 255, (12, 16, 3))
                picture = tf.image.resize(coarse, (size * 3 // 4, size), method="bicubic")
                path = Path(folder, split, f"class{index % 2}", f"{index:06}.jpg")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tf.io.encode_jpeg(tf.cast(tf.clip_by_value(picture, 0, 255), tf.uint8)).numpy())
        yield Path(folder)


def side_by_side(
    claim: str,
    ways: dict[str, Callable[[str, Path], float]],
    applies: Callable[[str, str], bool] = lambda way, network: True,
) -> None:
    """Runs ways in turn for each network, over the same photographs, and reports the seconds that each says it took."""
    rows = {}
    for network in NETWORKS:
        work = WORK[network]
        with photographs(work.train, work.validation) as folder:
            here = {way: partial(run, network, folder) for way, run in ways.items() if applies(way, network)}
            rows[f"{network}, {work.train} images"] = in_turn(here)
    report(claim, rows)


def in_turn(ways: dict[str, Callable[[], float]], repeats: int = 3) -> dict[str, list[float]]:
    """Runs ways several times, in alternating order. Returns the seconds that each run says it took."""
    import keras

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name in list(ways)[:: 1 if turn % 2 == 0 else -1]:
            keras.backend.clear_session()
            keras.utils.set_random_seed(0)
            gc.collect()  # what one way left behind is not the other's work
            seconds[name].append(ways[name]())
    return seconds


def timed(work: Callable[[], Any]) -> float:
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def report(claim: str, rows: dict[str, dict[str, list[float]]], unit: str = "s") -> None:
    """Prints a table of medians, the ratio of the first way to the last, which is ours, and a JSON line."""
    ways = list(max(rows.values(), key=len))
    print(f"\n{claim}\n| network | " + " | ".join(ways) + " | ratio |\n|---" + "|---" * (len(ways) + 1) + "|")
    for name, seconds in rows.items():
        cells = " | ".join(f"{median(seconds[way]):.3g} {unit}" if way in seconds else "" for way in ways)
        print(f"| {name} | {cells} | {median(seconds[ways[0]]) / median(seconds[ways[-1]]):.2f} |")
    print(json.dumps({"claim": claim, "machine": machine(), "seconds": rows}), flush=True)


def machine() -> dict[str, Any]:
    """Returns what the figures depend on."""
    import keras
    import tensorflow as tf

    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }
