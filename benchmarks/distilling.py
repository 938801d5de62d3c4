"""What distillation gains: PACS photographs with 10 labels a class, the others without labels, over five seeds.

`python benchmarks/distilling.py` trains a MobileNet 0.25 alone, a MobileNetV2 1.0 as its teacher, and the first again
by the answers of the second. Held out is a quarter of each class. About 15 minutes on two cores.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import time
from statistics import median

import keras
import numpy as np
from quality import candidate_of, files, pictures, split

import keras_transfer as kt

STUDENT, TEACHER, LABELS = "MobileNet 0.25", "MobileNetV2 1.0", 10


def unlabelled(seed: int) -> kt.data.ImageData:
    """Returns the photographs that are neither held out nor among the labelled ones."""
    paths, labels = files("photo")
    every, _ = split(labels, seed)
    labelled, _ = split(labels, seed, LABELS)
    rest = np.setdiff1d(every, labelled)
    table = {"image": [paths[row] for row in rest], "label": [labels[row] for row in rest]}
    return kt.data.from_dataframe(table, validation_split=0.2, seed=seed)


def accuracy(model: keras.Model, data: kt.data.ImageData) -> float:
    """Returns the accuracy on the held-out photographs, in percent."""
    return 100 * kt.evaluate(model, data.validation).metrics["accuracy"]


def main() -> None:
    """Prints the accuracies, the seconds of the distillation, and the median of what is gained."""
    print("seed   alone  teacher  distilled   gain  seconds")
    gains = []
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        data, rest = pictures("photo", seed, LABELS), unlabelled(seed)
        alone, teacher, student = (candidate_of(name).build(data) for name in (STUDENT, TEACHER, STUDENT))
        for model in (alone, teacher):
            kt.fine_tune(model, data, recipe="default", verbose=0)
        begin = time.perf_counter()
        kt.distill(teacher, student, data, rest, verbose=0)
        seconds = time.perf_counter() - begin
        found = [accuracy(model, data) for model in (alone, teacher, student)]
        gains.append(found[2] - found[0])
        print(f"{seed:4} {found[0]:7.1f} {found[1]:8.1f} {found[2]:10.1f} {gains[-1]:+6.1f} {seconds:8.0f}", flush=True)
    print(f"median gain {median(gains):+.1f} points, from {min(gains):+.1f} to {max(gains):+.1f}")


if __name__ == "__main__":
    main()
