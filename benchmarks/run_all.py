"""Runs every benchmark of the cache and writes the tables into benchmarks/README.md: `make bench`, half an hour."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("frozen_head", "last_stage", "gradual", "extraction", "growth", "import_time")
BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    """Runs the scripts one after another, so that nothing else is on the machine."""
    tables, facts = [], {}
    for script in SCRIPTS:
        print(f"== {script}", flush=True)
        command = [sys.executable, "-W", "ignore", str(HERE / f"{script}.py")]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = [line for line in done.stdout.splitlines() if re.match(r"[|\w{]", line)]
        facts = json.loads(lines[-1])["machine"]
        shown = [line for line in lines[:-1] if not line.startswith("{")]
        first = next(index for index, line in enumerate(shown) if line.startswith("|"))
        shown = [f"\n### {shown[first - 1].capitalize()}\n", *shown[first:], f"\n`python benchmarks/{script}.py`"]
        tables.append(
            "\n".join(line if line.startswith("|") or not line[0].isalpha() else f"\n{line}" for line in shown)
        )
        print(tables[-1], flush=True)
    machine = ", ".join(f"{name} {value}" for name, value in facts.items())
    text = (HERE / "README.md").read_text(encoding="utf-8")
    kept = text[: text.index(BEGIN)], text[text.index(END) :]
    results = f"{BEGIN}\n\nMade on {date.today()} on {machine}.\n" + "\n".join(tables) + "\n\n"
    (HERE / "README.md").write_text(kept[0] + results + kept[1], encoding="utf-8")


if __name__ == "__main__":
    main()
