"""What the documents show runs, and says what it should: blocks of Python, and notebooks."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from drawing import write_pictures
from matplotlib.figure import Figure

import keras_transfer as kt

COLOUR = "^(blue|green|red)"
ANSWER = rf"{COLOUR} [01]\.\d+$"
# What the blocks of a document print, one after another: a row for each `print`.
SAID = {
    "README.md": [r"^accuracy +[01]\.\d{4}$", ANSWER],
    "docs/adapting.md": [r"^[01]\.\d+$", r"^(mcc x0\.5|none) .* chosen$", r"^proxy A-distance +\d\.\d+"],
    "docs/caching.md": [r"^\(3, \d+\) \(3,\)$"],
    "docs/data.md": [
        r"^ImageData: 3 classes, 96x96",
        r"^\('cold', 'warm'\) \('blue', 'cold', 'red', 'warm'\)$",
        r"^{'train': {'blue': 5, 'green': 5, 'red': 5}, 'validation': {'blue': 1, .*} {'train': {'blue': 5, ",
        r"^12 6\n12 6\n12 6$",
        r"^18 images found, 18 usable, 0 left out$",
        r"^\(15, 3\)$",
        r"^proxy A-distance \d\.\d+ of 2: .* 15 and 32 images",
    ],
    "docs/runtimes.md": [
        r"^saved_model .*\nlitert .* yes\nopenvino .* yes$",
        f"{COLOUR}$",
        r"^\(1, 3\)$",
        r"^\(1, 3\)$",
        f"{COLOUR}$",
    ],
    "docs/server.md": ['"state": "AVAILABLE"', r"^127\.0\.0\.1:\d+$"],
    "docs/serving.md": [f"{COLOUR}$", r"^\(1, 2\)$"],
    "docs/unfreezing.md": [
        r"^\('block1', 'block2', 'block3', 'block4', 'block5'\)$",
        r"^learning rate \S+: there the loss falls fastest",
        r"^\d+ BatchNorm layers .* will move in fit",
    ],
}
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def run_blocks(document: str, folder: Path, served: Path, said: pytest.CaptureFixture[str]) -> None:
    """Runs the blocks one after another, for one epoch, on the pictures and folders that documents speak of."""
    if document == "docs/server.md":  # the others make their own
        shutil.copytree(served, folder / "saved_models" / "photos")
    write_pictures(folder / "photos", per_class=6)
    write_pictures(folder / "phone_pictures", per_class=6)
    (folder / "new.jpg").write_bytes((folder / "photos" / "red" / "0.jpg").read_bytes())
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)
    assert len(SAID[document]) == sum(len(re.findall(r"\bprint\(", block)) for block in blocks)
    names: dict = {}
    for block in blocks:
        block = block.replace("224", "80").replace('head="mlp")', 'head="mlp", image_size=80)')
        exec(compile(re.sub(r"epochs=\d", "epochs=1", block), document, "exec"), names)
    rest = said.readouterr().out
    for expected in SAID[document]:
        found = re.search(expected, rest, flags=re.MULTILINE)
        assert found, f"{document} should print {expected!r} next. It prints:\n{rest}"
        rest = rest[found.end() :]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_documents_runs(document, served_colours, doubles, tmp_path, monkeypatch, capsys):
    """With small networks under the names of those they name."""
    monkeypatch.chdir(tmp_path)
    run_blocks(document, tmp_path, served_colours, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_in_documents_runs_with_the_networks_they_name(
    document, served_colours, cold_probe, tmp_path, monkeypatch, capsys
):
    """With random weights, since nothing is downloaded here."""
    monkeypatch.chdir(tmp_path)
    real = kt.build_model
    monkeypatch.setattr(
        "keras_transfer.build_model", lambda *parts, **options: real(*parts, **{**options, "weights": None})
    )
    run_blocks(document, tmp_path, served_colours, capsys)


NOTEBOOKS = {
    # what to replace for a quick run; each is there
    "tutorial.ipynb": {
        "draw_leaves(folder, seed=0)": "draw_leaves(folder, 0, {'train': 4, 'val': 2, 'test': 2})",
        "epochs=16": "epochs=4",
        "gradual(16": "gradual(4",
    },
    "adaptation.ipynb": {},
}


def test_every_notebook_is_tried():
    assert {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} == NOTEBOOKS.keys()


@pytest.mark.filterwarnings("ignore::keras_transfer.DataWarning")  # one notebook shows what goes wrong
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_cells_of_notebooks_run(notebook, doubles, tmp_path, monkeypatch):
    """In this process, on fewer pictures, and what a cell ends with is shown."""
    import nbformat

    monkeypatch.chdir(tmp_path)
    cells = [
        cell.source
        for cell in nbformat.read(ROOT / "notebooks" / notebook, as_version=4).cells
        if cell.cell_type == "code"
    ]
    source = "\n\0".join(cells)
    for long, short in NOTEBOOKS[notebook].items():
        assert long in source
        source = source.replace(long, short)
    names: dict = {}
    shown = [run_cell(cell, notebook, names) for cell in source.split("\n\0")]
    assert shown.count("picture") >= 3, "samples, learning curves and a confusion matrix"


def run_cell(source: str, name: str, names: dict) -> str:
    """Runs a cell as a notebook does, and returns what it shows: a picture, a page, words or nothing."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    value = None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), names)
    if isinstance(value, Figure):
        value.savefig(io.BytesIO(), format="png")
        return "picture"
    if hasattr(value, "_repr_html_"):
        return f"page {value._repr_html_()}"
    return "nothing" if value is None else repr(value)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebooks_run(notebook, tmp_path):
    """In a kernel of their own, as they are."""
    import nbformat

    copy = Path(shutil.copy(ROOT / "notebooks" / notebook, tmp_path))
    command = [sys.executable, "-c", "import nbclient.cli; nbclient.cli.main()", "--inplace", "--timeout=600", copy]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    outputs = [output for cell in nbformat.read(copy, as_version=4).cells for output in cell.get("outputs", ())]
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) >= 3
