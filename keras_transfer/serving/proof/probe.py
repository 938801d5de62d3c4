"""Probe: a process with TensorFlow alone, which runs a version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from keras_transfer._checks import VerificationError
from keras_transfer.serving.proof.evidence import Evidence

_WAIT = 900  # seconds to wait for the process
_PROBE = Path(__file__).with_name("probing.py")
# on the CPU, like the model in memory: a GPU rounds differently, and its memory may be in use
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def _start() -> subprocess.Popen[str]:
    """Starts a process with TensorFlow alone, which waits for a line on its standard input."""
    return subprocess.Popen(
        [sys.executable, "-P", str(_PROBE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **_QUIET},
    )


class Probe:
    """A process that runs a version with TensorFlow alone. A context manager, which ends the process.

    The process starts at once, and imports TensorFlow while the version is still being written.
    """

    def __init__(self) -> None:
        self._process = _start()

    def ask(self, version: Path, parts: Sequence[Evidence]) -> list[dict[str, np.ndarray]]:
        """Runs all signatures of a version on several sets of pictures.

        Args:
            version: folder of the version.
            parts: the sets of pictures.

        Returns:
            For each set, arrays by signature and output, such as "features/features".

        Raises:
            VerificationError: if the version cannot be loaded or run.
        """
        with tempfile.TemporaryDirectory() as folder:
            requests = [Path(folder) / f"request_{index}.npz" for index in range(len(parts))]
            answers = [Path(folder) / f"answer_{index}.npz" for index in range(len(parts))]
            for evidence, request in zip(parts, requests, strict=True):
                evidence.save(request)
            task = {"version": str(version), "files": [*zip(map(str, requests), map(str, answers), strict=True)]}
            try:
                _, said = self._process.communicate(json.dumps(task) + "\n", timeout=_WAIT)
            except subprocess.TimeoutExpired:
                said = f"no answer in {_WAIT} seconds"
            if self._process.returncode != 0:
                reason = said.strip().splitlines()[-1] if said.strip() else f"exit code {self._process.returncode}"
                raise VerificationError(
                    f"The SavedModel cannot be run in a separate process with TensorFlow alone: {reason}"
                )
            found = []
            for answer in answers:
                with np.load(answer) as arrays:
                    found.append(dict(arrays))
            return found

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stderr):
            if stream is not None:
                stream.close()
