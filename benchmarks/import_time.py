"""Seconds to import the package and to answer --help, beside importing Keras: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from measure import in_turn, report, timed


def run(*arguments: str) -> float:
    """Times a fresh Python process."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ}}
    return timed(lambda: subprocess.run([sys.executable, *arguments], check=True, **quiet))


def main() -> None:
    """Runs all in turn."""
    ways = {
        "import keras": lambda: run("-c", "import keras"),
        "keras-transfer --help": lambda: run("-m", "keras_transfer.cli", "--help"),
        "import keras_transfer": lambda: run("-c", "import keras_transfer"),
    }
    report("import", {"a fresh process": in_turn(ways, repeats=5)})


if __name__ == "__main__":
    main()
