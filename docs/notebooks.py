"""Runs the notebooks and keeps their outputs in them, so that they can be read where they lie.

    python docs/notebooks.py [notebooks/tutorial.ipynb ...]

Pictures are kept with 64 colours, enough to see what they show. Paths lose the part that is of this machine.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

_OF_OTHERS = re.compile(r"WARNING: All log|INFO:tensorflow|[IWE]\d{4} |.*TqdmWarning|  from .autonotebook")
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def run(path: Path) -> None:
    """Runs a notebook in an empty folder and writes it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times
            if cell.cell_type == "code":
                for output in cell.outputs:
                    _make_portable(output, folder)
                cell.outputs = [output for output in cell.outputs if output.get("text", "there").strip()]
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def _make_portable(output: nbformat.NotebookNode, folder: str) -> None:
    if "text" in output:
        lines = _without_folders(output.text, folder).splitlines(keepends=True)
        output.text = "".join(line for line in lines if not _OF_OTHERS.match(line))
    for kind, value in output.get("data", {}).items():
        output.data[kind] = _smaller(value) if kind == "image/png" else _without_folders(value, folder)


def _without_folders(text: str, folder: str) -> str:
    """Leaves of a path what is below the folder, or inside the package."""
    text = text.replace(f"{folder}/", "").replace(folder, ".")
    text = re.sub(r"/\S*?/ipykernel_\d+/\d+\.py", "notebook", text)
    return re.sub(r"/[^\s'\"]*/(?=keras_transfer/)", "", text)


def _smaller(picture: str) -> str:
    kept = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").quantize(64).save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb"))):
        run(path)
