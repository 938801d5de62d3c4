"""How well rankings foretell the accuracy after fine-tuning, on real pictures. Writes ranking.md.

`python benchmarks/ranking.py` ranks every network with real weights and two with random ones on every set, by every
score, and compares the order with that of the accuracies of recipe="default" (three splits, medians). It takes hours;
runs are kept in `ranking_runs.jsonl`, and those of networks with real weights in `quality_runs.jsonl`, and are not
done again. `--sets clothing10` does a part, and `--page` only writes the page.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
from quality import ARGUMENTS, NETWORKS, SETS, by_name, candidate_of, machine
from quality import RUNS as QUALITY
from quality import run as quality_run
from runs import Runs
from scipy.stats import kendalltau

import keras_transfer as kt

HERE = Path(__file__).parent
RUNS = Runs(HERE / "ranking_runs.jsonl")
SEEDS = range(3)
RANDOM = {"MobileNet 0.25, random": ("MobileNet", 0.25), "MobileNetV2 1.0, random": ("MobileNetV2", 1.0)}
USED = ("hymenoptera", "clothing10", "animals", "sketch, 10 a class", "photo, 10 a class")
SCORES = [name for name in kt.available("ranking") if name != "leep"]  # the networks here have no head of ImageNet
HEADER = """
`python benchmarks/ranking.py` makes this page; its code is the protocol. Each network is ranked on the training images
by their frozen features alone, and then trained by recipe="default". Kendall's tau compares both orders: 1 for the
same order, 0 for none. "Lost" is what the network that is ranked first has less than the best one after training, in
points of accuracy on held-out images, medians of three splits. The order of two networks whose accuracies are one
image apart is chance.
""".strip()


def candidates() -> dict[str, kt.Candidate]:
    """Returns the networks with real weights, and those with random ones."""
    at_random = {name: kt.Candidate(part, None, None, {"alpha": alpha}) for name, (part, alpha) in RANDOM.items()}
    return {**{name: candidate_of(name) for name in NETWORKS}, **at_random}


def trained(name: str, network: str, seed: int) -> dict[str, Any]:
    """Fine-tunes a network with random weights by the default recipe."""
    data = SETS[name](seed)
    return by_name("default")(candidates()[network].build(data), data)


def ranked(name: str, seed: int) -> dict[str, Any]:
    """Ranks all networks on a set, with nothing in the cache, and times one frozen pass of each beside it."""
    data = SETS[name](seed)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        found = kt.rank_backbones(data, candidates(), SCORES, images=None, cache=kt.Cache(folder=folder), verbose=0)
        seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    for candidate in candidates().values():
        kt.extract_features(candidate.build(data), data, verbose=0)
    passes = time.perf_counter() - begin
    rows = {row.name: {**row.scores, "expected": row.expected} for row in found.rows}
    return {"scores": rows, "ranking_seconds": seconds, "pass_seconds": passes, "accuracy": 0.0}


def accuracies(name: str) -> dict[str, float]:
    """Returns the median accuracy of each network that was trained with all seeds on a set."""
    found = {}
    for network in candidates():
        wanted = {"set": name, "network": network, "recipe": "recipe default"}
        rows = [row for row in (QUALITY if network in NETWORKS else RUNS).known() if wanted.items() <= row.items()]
        each = {row["seed"]: row["accuracy"] for row in rows if row["seed"] in SEEDS}
        if len(each) == len(SEEDS):
            found[network] = median(each.values())
    return found


def page() -> str:
    """Returns the page."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = ["# Ranking networks", "", HEADER, "", f"Made on {date.today()} on {facts}.", ""]
    columns = [*SCORES, "expected"]
    lines += ["| set | networks | " + " | ".join(f"{name}: tau, lost" for name in columns) + " |"]
    lines += ["|---" * (len(columns) + 2) + "|"]
    taus: dict[str, list[float]] = {name: [] for name in columns}
    times: list[str] = []
    for name in SETS:
        rows = [row for row in RUNS.known() if row["set"] == name and row["network"] == "all"]
        reached = accuracies(name)
        if not rows or len(reached) < 3:
            continue
        cells = []
        for score in columns:
            values = [rows[0]["scores"][network][score] for network in reached]
            taus[score].append(float(kendalltau(values, list(reached.values())).statistic))
            lost = max(reached.values()) - reached[list(reached)[int(np.argmax(values))]]
            cells.append(f"{taus[score][-1]:.2f}, {100 * lost:.1f}")
        lines.append(f"| {name} | {len(reached)} | " + " | ".join(cells) + " |")
        took, passed = rows[0]["ranking_seconds"], rows[0]["pass_seconds"]
        times.append(f"| {name} | {took:.0f} | {passed:.0f} | {(took - passed) / len(rows[0]['scores']):.1f} |")
    lines.append("| mean tau | | " + " | ".join(f"{np.mean(values):.2f}" for values in taus.values()) + " |")
    lines += [
        "",
        "| set | seconds of the ranking | of one frozen pass of each network | more, a network |",
    ]
    return "\n".join([*lines, "|---|---|---|---|", *times]) + "\n"


def main() -> None:
    """Does the runs that are asked for and not there yet, then writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(USED))
    parser.add_argument("--page", action="store_true", help="only write the page")
    wanted = parser.parse_args(ARGUMENTS)
    for name in () if wanted.page else wanted.sets:
        RUNS.once({"set": name, "network": "all", "recipe": "ranking", "seed": 0}, partial(ranked, name, 0))
        for network in candidates():
            for seed in SEEDS:
                named = {"set": name, "network": network, "recipe": "recipe default", "seed": seed}
                if network in NETWORKS:
                    QUALITY.once(named, partial(quality_run, name, network, "recipe default", seed))
                else:
                    RUNS.once(named, partial(trained, name, network, seed))
                keras.backend.clear_session()
    (HERE / "ranking.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
