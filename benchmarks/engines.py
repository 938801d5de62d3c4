"""Networks by engines: images a second of the frozen part, seconds of compiling, and the largest difference."""

from __future__ import annotations

import json
import time
from statistics import median

import numpy as np
from measure import NETWORKS, SIZE, machine, timed

import keras_transfer as kt
from keras_transfer.engines import ENGINES
from keras_transfer.engines.choosing import relative_difference
from keras_transfer.engines.freezing import inference

BATCH, REPEATS = 32, 7


def main() -> None:
    """Prints a row for each network and engine that is installed."""
    engines = [name for name in ENGINES.names() if ENGINES.find(name).installed]
    columns = ("network", "engine", "images a second", "of TensorFlow", "compiling", "difference")
    print("engines", f"| {' | '.join(columns)} |", f"{'|---' * len(columns)}|", sep="\n")
    found: dict[str, dict[str, list[float]]] = {}
    for network in NETWORKS:
        prefix = kt.split(kt.build_model(network, 2, weights=None, image_size=SIZE), "features")[0]
        function = inference(prefix)
        images = np.random.default_rng(0).uniform(0, 255, (BATCH, SIZE, SIZE, 3)).astype("float32")
        expected = ENGINES.find("tensorflow").compile(function)(images)
        runs, compiling = {}, {}
        for name in engines:
            start = time.perf_counter()
            runs[name] = ENGINES.find(name).compile(function)
            compiling[name] = time.perf_counter() - start
            runs[name](images)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(REPEATS):  # in turn, so that what else the machine does meets all of them
            for name in engines:
                seconds[name].append(timed(lambda run=runs[name], x=images: run(x)))
        rates = {name: BATCH / median(seconds[name]) for name in engines}
        for name in engines:
            difference = max(map(relative_difference, runs[name](images), expected))
            rate = f"{rates[name]:.0f} | {rates[name] / rates['tensorflow']:.2f}"
            shown = f"{rate} | {compiling[name]:.1f} s | {difference:.0e}"
            print(f"| {network} | {name} | {shown} |", flush=True)
        found[network] = seconds
    print(json.dumps({"claim": "engines", "machine": machine(), "seconds": found}), flush=True)


if __name__ == "__main__":
    main()
