"""Runs every benchmark of the cache and writes the tables into benchmarks/README.md: `make bench`, an hour."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    "import_time",
    "reading",
    "reduced_decoding",
    "extraction",
    "last_stage",
    "frozen_head",
    "gradual",
    "growth",
    "serving",
)
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    """Runs the scripts one after another, so that nothing else is on the machine."""
    sections, facts = [], {}
    for script in SCRIPTS:
        command = [sys.executable, "-W", "ignore", str(HERE / f"{script}.py")]
        print(f"== {script}", flush=True)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        print(done.stdout, flush=True)
        claim, *table, line = [line for line in done.stdout.splitlines() if line]
        facts = json.loads(line)["machine"]
        sections.append("\n".join([f"### {claim[0].upper()}{claim[1:]}", "", *table, "", f"`{_shown(script)}`", ""]))
    machine = ", ".join(f"{name} {value}" for name, value in facts.items())
    text = (HERE / "README.md").read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    results = [BEGIN, "", f"Made on {date.today()} on {machine}.", "", *sections]
    (HERE / "README.md").write_text(before + "\n".join(results) + "\n" + after, encoding="utf-8")


def _shown(script: str) -> str:
    return f"python benchmarks/{script}.py"


if __name__ == "__main__":
    main()
