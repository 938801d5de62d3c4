"""How features are scaled before a head is solved, on real pictures: as they are, Pareto scaling, or standardised.

"Ours" is Pareto scaling, and standardised where that is better beyond doubt.
`python benchmarks/scaling.py` computes the features of every set and network of `quality.py` once, and solves heads for
five splits of each. Beside them is scikit-learn's LogisticRegression on standardised features with the penalty that is
best on the held-out images, which knows what the others do not. It takes some twenty minutes on two cores.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
from collections import defaultdict
from dataclasses import astuple, dataclass
from statistics import mean, median

import numpy as np
from quality import ARGUMENTS, NETWORKS, SEEDS, best_regression, candidate_of, digits, files, split
from rich.progress import track

import keras_transfer as kt
from keras_transfer.features.solving.objectives import OBJECTIVES
from keras_transfer.features.solving.rows import Held, Moments, Rows, Scaling
from keras_transfer.features.solving.solved import Solution, solve

SETS = ("hymenoptera", "clothing10", "animals", "sketch", "photo", "digits")
FEW = {"sketch": (10, 50, None), "photo": (10, 50, None), "digits": (100,)}  # training images a class; None for all
POWERS = {"as they are": 0.0, "Pareto": 0.5, "standardised": 1.0}  # of 1 / standard deviation


@dataclass(frozen=True)
class Fixed(Moments):
    """Moments that give the scaling with a power of their own."""

    power: float
    alike: bool = True  # nothing else is tried

    def scaling(self, power: float) -> Scaling:
        """Returns the scaling, whichever power is asked for."""
        return super().scaling(self.power)


@dataclass(frozen=True, eq=False)
class Scaled(Rows):
    """Rows that are divided by a power of their standard deviation."""

    power: float = 0.5

    def moments(self, *, centred: bool = True) -> Moments:
        """Returns the moments, with the power."""
        return Fixed(*astuple(super().moments(centred=centred)), self.power)


def features_of(name: str, network: str) -> tuple[np.ndarray, np.ndarray]:
    """Computes the features and labels of all pictures of a set."""
    if name == "digits":
        data = digits(0, 2000)
    else:
        paths, labels = files(name)
        splits = ["train"] * (len(paths) - 10) + ["validation"] * 10  # features are those of training images
        table = {"image": paths, "label": labels, "split": splits}
        data = kt.data.from_dataframe(table, split_column="split")
    features, labels = kt.extract_features(candidate_of(network).build(data), data, verbose=0)
    return features.astype(np.float32), np.unique(labels, return_inverse=True)[1].astype(np.int64)


def scores(found: Solution, features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Returns accuracy and loss on rows."""
    outputs = (features @ found.kernel + found.bias).astype(np.float64)
    outputs -= outputs.max(axis=1, keepdims=True)
    losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(len(labels)), labels]
    return float((outputs.argmax(axis=1) == labels).mean()), float(losses.mean())


def main() -> None:
    """Prints medians over the splits for each set and network, and the means over all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    asked = parser.parse_args(ARGUMENTS)
    columns = [*POWERS, "ours", "best regression"]
    print("| set | network | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 2) + "|")
    every: dict[str, list[tuple[float, float]]] = defaultdict(list)
    pairs = [(name, network) for name in asked.sets for network in asked.networks]
    for name, network in track(pairs, "sets and networks", transient=True):
        features, labels = features_of(name, network)
        for most in FEW.get(name, (None,)):
            here: dict[str, list[tuple[float, float]]] = defaultdict(list)
            for seed in SEEDS:
                train, held_out = split(labels, seed, most)
                known, others = (features[train], labels[train]), (features[held_out], labels[held_out])
                parts = (Held(known[0]), known[1], np.ones(len(train), np.float32), known[1])
                rows = {name: Scaled(*parts, power=power) for name, power in POWERS.items()} | {"ours": Rows(*parts)}
                for scaling, scaled in rows.items():
                    found = solve(scaled, OBJECTIVES.find("softmax"), int(labels.max()) + 1, seed=seed)
                    here[scaling].append(scores(found, *others))
                here["best regression"].append((best_regression(*known, *others)[0], float("nan")))
            for column, done in here.items():
                every[column].append((median(each for each, _ in done), mean(loss for _, loss in done)))
            called = name if most is None else f"{name}, {most} a class"
            cells = [f"{100 * every[column][-1][0]:.1f}" for column in columns]
            print(f"| {called} | {network} | " + " | ".join(cells) + " |", flush=True)
    print()
    for column in (*POWERS, "ours"):
        done = every[column]
        gaps = [100 * (each[0] - best[0]) for each, best in zip(done, every["best regression"], strict=True)]
        ratio = mean(each[1] / other[1] for each, other in zip(done, every["standardised"], strict=True))
        below = sum(gap < -0.5 for gap in gaps)
        said = f"{column}: {mean(gaps):+.2f} points to the best regression on average, {min(gaps):+.2f} at worst"
        print(f"{said}, more than 0.5 below in {below} of {len(gaps)}; loss {ratio:.3f} of standardised")


if __name__ == "__main__":
    main()
