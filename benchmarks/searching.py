"""A search of ten minutes against the default recipe, on pictures that chose nothing. Writes searching.md.

`python benchmarks/searching.py` halves the held-out images of `quality.py`, by three seeds: one half chooses, the other
tests. The default recipe gets the network that the search ranks first. It takes half an hour a set. Runs are kept in
`searching_runs.jsonl`, and not done again. `--sets` does a part, `--page` only writes the page.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from quality import ARGUMENTS, NETWORKS, SETS, by_name, candidate_of, machine
from runs import Runs
from sklearn.model_selection import train_test_split

import keras_transfer as kt

HERE = Path(__file__).parent
RUNS = Runs(HERE / "searching_runs.jsonl")
SEEDS, MINUTES = range(3), 10
USED = ("hymenoptera", "sketch, 10 a class", "photo, 10 a class")
HEADER = f"""
`python benchmarks/searching.py` makes this page; its code is the protocol. Searches have {MINUTES} minutes. The
held-out images of `quality.py` are halved: one half chooses, the other tests. Accuracies are those on the test half, in
percent, medians of the splits; "default" is the default recipe with the network that the search ranks first.
""".strip()


def split(name: str, seed: int) -> kt.data.ImageData:
    """Returns a set whose held-out images are halved."""
    data = SETS[name](seed)
    held_out = data.splits["validation"]
    rows = np.arange(len(held_out))
    validation, test = train_test_split(rows, test_size=0.5, stratify=held_out.labels, random_state=seed)
    parts = {"validation": held_out.take(np.sort(validation)), "test": held_out.take(np.sort(test))}
    return replace(data, splits={"train": data.splits["train"], **parts})


def searched(name: str, seed: int) -> dict[str, Any]:
    """Searches, and trains the network that is ranked first by the default recipe."""
    data, every = split(name, seed), {network: candidate_of(network) for network in NETWORKS}
    begun = perf_counter()
    found = kt.search(data, MINUTES, candidates=every, seed=seed, verbose=0)
    taken = perf_counter() - begun
    first = next(trial.network for trial in sorted(found.trials, key=lambda trial: trial.number))
    model = candidate_of(first).build(data)
    by_name("default")(model, data)
    default = kt.evaluate(model, data.test).metrics["accuracy"]
    print(found, flush=True)
    return {
        "accuracy": found.report.metrics["accuracy"],
        "default": default,
        "taken": taken,
        "trials": len(found.trials),
        "best": f"{found.best.network}, {found.best.plan}",
    }


def page() -> str:
    """Returns the page."""
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    lines = ["# Searching", "", HEADER, "", f"Made on {date.today()} on {facts}.", ""]
    lines += ["| set | splits | search | default | seconds, most | trials | found |", "|---" * 7 + "|"]
    for name in USED:
        rows = [row for row in RUNS.known() if row["set"] == name]
        if rows:
            search, default = (100 * median(row[key] for row in rows) for key in ("accuracy", "default"))
            most, trials = max(row["taken"] for row in rows), median(row["trials"] for row in rows)
            found = "; ".join(row["best"] for row in rows)
            lines.append(f"| {name} | {len(rows)} | {search:.1f} | {default:.1f} | {most:.0f} | {trials:g} | {found} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Does the runs that are asked for and not there yet, then writes the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="+", choices=USED, default=USED)
    parser.add_argument("--page", action="store_true", help="only write the page")
    wanted = parser.parse_args(ARGUMENTS)
    for name in () if wanted.page else wanted.sets:
        for seed in SEEDS:
            RUNS.once({"set": name, "minutes": MINUTES, "seed": seed}, partial(searched, name, seed))
    (HERE / "searching.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
