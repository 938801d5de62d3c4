"""Seconds for five tasks on one network against one: a version of `export_many` beside one of `export`, by turns."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import tempfile
from statistics import median
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

import keras_transfer as kt

TASKS, TURNS, CALLS, BATCH = 5, 11, 5, 8


def main() -> None:
    """Exports one task and five, and prints the median times of a batch, and of one of the five tasks alone."""
    keras.utils.set_random_seed(0)
    base = kt.build_model("MobileNetV2", 10, weights=None, image_size=224)
    heads = {f"task{number}": kt.build_model(base, 10, image_size=224) for number in range(TASKS)}
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (BATCH, 224, 224, 3)).astype("float32"))
    with tempfile.TemporaryDirectory() as folder:
        one = tf.saved_model.load(str(kt.export(heads["task0"], f"{folder}/one", verify=False)))
        many = tf.saved_model.load(str(kt.export_many(heads, f"{folder}/many", verify=False)))
    signatures = {"one": one.signatures["predict_images"], "five": many.signatures["predict_images"]}
    taken: dict[str, list[float]] = {name: [] for name in signatures}
    for turn in range(TURNS):
        for name in list(signatures)[:: 1 if turn % 2 else -1]:
            signatures[name](images=images)
            begun = perf_counter()
            for _ in range(CALLS):
                signatures[name](images=images)
            taken[name].append((perf_counter() - begun) / CALLS)
    seconds = {name: median(times) for name, times in taken.items()}
    ratio = median(five / single for five, single in zip(taken["five"], taken["one"], strict=True))
    print(f"a batch of {BATCH}: one task {1000 * seconds['one']:.1f} ms, five {1000 * seconds['five']:.1f} ms")
    print(json.dumps({"five_tasks_over_one": ratio}))


if __name__ == "__main__":
    main()
