"""Validation accuracy with default settings on real photographs: `keras-transfer train`, five seeds, medians."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

BESIDE = Path(__file__).parents[2] / "shared"
DATA = Path(os.environ.get("KERAS_TRANSFER_DATA", BESIDE / "data"))
WEIGHTS = Path(os.environ.get("KERAS_TRANSFER_WEIGHTS", BESIDE / "weights"))
NETWORKS = {
    "MobileNet 0.75": ("MobileNet", "0.75", "mobilenet_0.75_224_notop.weights.h5"),
    "MobileNetV2 1.0": ("MobileNetV2", "1.0", "mobilenetv2_1.0_224_notop.weights.h5"),
}
SEEDS = range(5)


def accuracy(backbone: str, alpha: str, weights: str, seed: int, extra: list[str]) -> float:
    """Trains once, as a user would from the shell, and returns the validation accuracy."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "keras_transfer.cli", "train", str(DATA / "hymenoptera"), "--json"]
        command += ["--backbone", backbone, "--backbone-option", f"alpha={alpha}", "--weights", str(WEIGHTS / weights)]
        command += ["--seed", str(seed), "--output", output, *extra]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])["metrics"]["accuracy"]


def main() -> None:
    """Runs every network with every seed; further arguments go to `keras-transfer train`."""
    if not DATA.is_dir() or not WEIGHTS.is_dir():
        sys.exit(f"needs {DATA} and {WEIGHTS}; set KERAS_TRANSFER_DATA and KERAS_TRANSFER_WEIGHTS")
    results = {}
    for name, network in NETWORKS.items():
        results[name] = [accuracy(*network, seed, sys.argv[1:]) for seed in SEEDS]
        values = " ".join(f"{value:.3f}" for value in results[name])
        print(f"{name:<16} median {median(results[name]):.3f}   seeds {values}", flush=True)
    print(json.dumps({"hymenoptera_validation_accuracy": results, "arguments": sys.argv[1:]}))


if __name__ == "__main__":
    main()
