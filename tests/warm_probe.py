"""A probing process that stays: tests ask one about many versions, where an export starts one for each.

A new one imports TensorFlow, which takes five seconds. This one runs the same script by the same protocol again and
again: a line of JSON on standard input, files of answers, an exit code and words on standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from keras_transfer.serving.proof import probe


class WarmProbe:
    """One process for all questions, started with the first. `start` stands in for that of a new process."""

    def __init__(self):
        self.cold_start = probe._start
        self._process: subprocess.Popen[str] | None = None
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process

    def start(self) -> Turn:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("probing_again.py")), str(probe._PROBE)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                env={**os.environ, **probe._QUIET},
            )
        return Turn(self._process, self._said)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._said.close()


class Turn:
    """What `Probe` sees of the process for one question: it is given a line, and ends with a code and words."""

    stdin = stderr = None

    def __init__(self, process: subprocess.Popen[str], said):
        self._process, self._said, self.returncode = process, said, None

    def communicate(self, line: str, timeout: float) -> tuple[str, str]:
        self._process.stdin.write(json.dumps([str(Path.cwd()), line]) + "\n")
        self._process.stdin.flush()
        ended = self._process.stdout.readline()
        if not ended:  # it died, as one of its own would have
            self.returncode = self._process.wait()
            self._said.seek(0)
            return "", self._said.read()
        self.returncode, said = json.loads(ended)
        return "", said

    def kill(self) -> None:
        """Leaves the process alive for the next question."""

    wait = kill
