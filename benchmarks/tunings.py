"""Small tunings beside the head alone and full fine-tuning, on photographs and sketches. Writes tunings.md.

`python benchmarks/tunings.py` trains MobileNetV2 1.0 on PACS by every tuning: five splits, 10 and 50 images a class.
Each starts from a solved head and opens all stages for six epochs; its rate is the best of three on the first split.
Runs are kept in `tunings_runs.jsonl` and not done again; `--sets` and `--tunings` do a part, `--page` only the page.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import tempfile
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from quality import ARGUMENTS, SEEDS, SETS, candidate_of, machine
from runs import Runs

import keras_transfer as kt

HERE = Path(__file__).parent
RUNS = Runs(HERE / "tunings_runs.jsonl")
NETWORK = "MobileNetV2 1.0"
USED = ("photo, 10 a class", "sketch, 10 a class", "photo, 50 a class", "sketch, 50 a class")
TUNINGS = ("head", *kt.available("tuning"))
RATES = (3e-4, 1e-3, 3e-3)
HEADER = """
`python benchmarks/tunings.py` makes this page; its code is the protocol. MobileNetV2 1.0 with ImageNet weights, on
splits of PACS. "head" is the solved head on the frozen network, from which the others start: six epochs with all stages
open, a rate that rises and falls along a cosine, the best of 3e-4, 1e-3 and 3e-3 on the first split, and the weights of
the best epoch. Medians of five splits; accuracy in percent, trained weights with the head, megabytes of the delta.
""".strip()


def train(name: str, tuning: str, seed: int, rate: float) -> dict[str, Any]:
    """Trains by a tuning, and returns the accuracy on held-out images, the seconds and the sizes."""
    data = SETS[name](seed)
    model = candidate_of(NETWORK).build(data)
    phases: tuple[kt.Phase, ...] = (kt.Phase("solve", "head"),)
    if tuning != "head":
        model, phases = kt.tuned(model, tuning), (*phases, kt.Phase(6, "all", rate))
    begun = perf_counter()
    kt.fine_tune(model, data, schedule=phases, rate="warmup_cosine", verbose=0)
    seconds = perf_counter() - begun
    kt.set_trainable(model, "head" if tuning == "head" else "all")
    with tempfile.TemporaryDirectory() as folder:
        size = kt.save_delta(model, Path(folder) / "delta").stat().st_size
    trained = kt.tunable(model, "head" if tuning == "head" else "all").trained
    accuracy = kt.evaluate(model, data.validation).metrics["accuracy"]
    return {"accuracy": accuracy, "training": seconds, "trained": trained, "delta": size}


def page() -> str:
    """Returns the page."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = ["# Small tunings", "", HEADER, "", f"Made on {date.today()} on {facts}.", ""]
    lines += ["| set | tuning | accuracy | against full | trained | share of full | seconds | delta, MB | rate |"]
    lines += ["|---" * 9 + "|"]
    for name in USED:
        found = {tuning: best_runs(name, tuning) for tuning in TUNINGS}
        whole = found.get("full")
        for tuning, rows in found.items():
            if len(rows) < len(SEEDS) or not whole or len(whole) < len(SEEDS):
                continue
            accuracy, of_full = (100 * median(row["accuracy"] for row in each) for each in (rows, whole))
            share = rows[0]["trained"] / whole[0]["trained"]
            seconds, size = median(row["training"] for row in rows), rows[0]["delta"] / 1e6
            cells = [name, tuning, f"{accuracy:.1f}", f"{accuracy - of_full:+.1f}", f"{rows[0]['trained']:,}"]
            cells += [f"{share:.1%}", f"{seconds:.0f}", f"{size:.2f}", f"{rows[0]['rate']:g}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def best_runs(name: str, tuning: str) -> list[dict[str, Any]]:
    """Returns the runs of a tuning at its best rate on the first split."""
    rows = [row for row in RUNS.known() if row["set"] == name and row["tuning"] == tuning]
    first = [row for row in rows if row["seed"] == SEEDS[0]]
    if not first:
        return []
    rate = max(first, key=lambda row: row["accuracy"])["rate"]
    return [row for row in rows if row["rate"] == rate]


def main() -> None:
    """Does the runs that are asked for and not there yet, then writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="+", choices=USED, default=USED)
    parser.add_argument("--tunings", nargs="+", choices=TUNINGS, default=TUNINGS)
    parser.add_argument("--page", action="store_true", help="only write the page")
    wanted = parser.parse_args(ARGUMENTS)
    for name in () if wanted.page else wanted.sets:
        for tuning in wanted.tunings:
            for seed in SEEDS:
                rates = RATES[:1] if tuning == "head" else RATES
                if seed != SEEDS[0]:
                    rates = (best_runs(name, tuning)[0]["rate"],)
                for rate in rates:
                    named = {"set": name, "tuning": tuning, "rate": rate, "seed": seed}
                    RUNS.once(named, partial(train, name, tuning, seed, rate))
    (HERE / "tunings.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
