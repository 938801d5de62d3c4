"""A head solved with its penalty chosen by cross-validation, beside twenty epochs of Adam: seconds and loss held out.

Rows of 1,280 features of ten classes that overlap, as a pooled network gives them: not negative, of several scales, and
correlated.
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
from measure import machine, timed
from scipy.special import log_softmax

from keras_transfer.features.solving import OBJECTIVES, Rows, solve
from keras_transfer.features.solving.rows import Held

WIDTH, CLASSES, EPOCHS, HELD_OUT = 1280, 10, 20, 5000
SIZES = tuple(map(int, sys.argv[1:])) or (500, 5_000, 50_000, 200_000)


def features(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Makes rows of features and their classes."""
    world, rng = np.random.default_rng(0), np.random.default_rng(seed)
    spread = world.normal(size=(60, WIDTH)) * world.gamma(1.0, size=WIDTH)
    centres = world.normal(size=(CLASSES, 60)) * 0.45
    labels = rng.integers(0, CLASSES, rows)
    hidden = centres[labels] + rng.normal(size=(rows, 60))
    noise = rng.normal(size=(rows, WIDTH)).astype(np.float32)
    return np.maximum((hidden @ spread).astype(np.float32) * 0.3 + noise, 0), labels


def loss(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean cross-entropy."""
    return float(-log_softmax(outputs, axis=1)[np.arange(len(labels)), labels].mean())


def main() -> None:
    """Prints a row for each number of rows."""
    held, truth = features(HELD_OUT, 1)
    print("solver against Adam\n| rows | Adam | loss | solved | loss | C | ratio |\n|---|---|---|---|---|---|---|")
    found = {}
    for size in SIZES:
        inputs, labels = features(size, 2)
        head = keras.Sequential([keras.Input((WIDTH,)), keras.layers.Dense(CLASSES, kernel_initializer="zeros")])
        head.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        adam = timed(lambda head=head, x=inputs, y=labels: head.fit(x, y, epochs=EPOCHS, verbose=0))
        rows = Rows(Held(inputs), labels, np.ones(size, np.float32), labels)
        solutions = []
        ours = timed(lambda rows=rows, out=solutions: out.append(solve(rows, OBJECTIVES.find("softmax"), CLASSES)))
        (solution,) = solutions
        losses = loss(head.predict(held, verbose=0), truth), loss(held @ solution.kernel + solution.bias, truth)
        found[size] = [adam, losses[0], ours, losses[1], solution.C]
        shown = f"{adam:.3g} s | {losses[0]:.4f} | {ours:.3g} s | {losses[1]:.4f} | {solution.C:g}"
        print(f"| {size:,} | {shown} | {adam / ours:.2f} |")
    print(json.dumps({"claim": "solver against Adam", "machine": machine(), "seconds": found}), flush=True)


if __name__ == "__main__":
    main()
