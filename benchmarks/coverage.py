"""How often the sets of `export(coverage=...)` hold the true class, and how sure answers of `min_accuracy` are right.

`python benchmarks/coverage.py` solves a head on a part of the photographs and sketches of PACS, and shares the others
out 20 times: one half chooses, and the other is counted. A minute or two on two cores.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from quality import SETS, candidate_of

import keras_transfer as kt
from keras_transfer.insight.conformal import smallest_possible
from keras_transfer.insight.selective import smallest_known

SPLITS = 20


def main() -> None:
    """Prints for each set and promise the mean over all splits, and the size of the sets or the share of answers."""
    print("set                 promise              kept     with")
    for name in ("photo, 10 a class", "sketch, 10 a class"):
        data = SETS[name](0)
        model = candidate_of("MobileNet 0.25").build(data)
        kt.fine_tune(model, data, recipe="fast", verbose=0)
        outputs, labels = model.predict(data.validation, verbose=0), data.splits["validation"].labels
        halves = [np.random.default_rng(seed).permutation(len(labels)) for seed in range(SPLITS)]
        for coverage in (0.8, 0.9, 0.95):
            held, sizes = [], []
            for order in halves:
                first, second = np.array_split(order, 2)
                least = min(smallest_possible(outputs[first], labels[first], coverage), 1)
                inside = outputs[second] >= np.minimum(least, outputs[second].max(axis=1))[:, None]
                held.append(inside[np.arange(len(second)), labels[second]].mean())
                sizes.append(inside.sum(axis=1).mean())
            print(f"{name:19} coverage={coverage:<8g} {np.mean(held):7.3f}     {np.mean(sizes):.2f} classes")
        for accuracy in (0.9, 0.95):
            right, shares, refused = [], [], 0
            for order in halves:
                first, second = np.array_split(order, 2)
                try:
                    known = outputs[second].max(axis=1) >= smallest_known(outputs[first], labels[first], accuracy)
                except kt.DataError:
                    refused += 1
                    continue
                right.append((outputs[second].argmax(axis=1) == labels[second])[known].mean())
                shares.append(known.mean())
            said = f"{np.mean(shares):.2f} answered, {refused} refused" if right else f"{refused} refused"
            print(f"{name:19} min_accuracy={accuracy:<4g} {np.mean(right) if right else np.nan:7.3f}     {said}")


if __name__ == "__main__":
    main()
