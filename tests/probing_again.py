"""The loop of a warm probing process: runs the script it is given on each line, as a process of its own would.

It imports nothing of this package. A line is JSON, the folder to be in and what the script reads; the answer is too, an
exit code and what was said.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import traceback


def main(script: str) -> None:
    lines, ended = sys.stdin, sys.stdout
    for line in lines:
        folder, task = json.loads(line)
        os.chdir(folder)  # a new process would begin where the tests are
        code, said = 0, io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            sys.stdin = io.StringIO(task)
            try:
                runpy.run_path(script, run_name="__main__")
            except Exception:
                traceback.print_exc()
                code = 1
        ended.write(json.dumps([code, said.getvalue()]) + "\n")
        ended.flush()


if __name__ == "__main__":
    main(sys.argv[1])
