"""The documents keep their promises: their code runs, their commands exist, their notebooks hold what they print."""

from __future__ import annotations

import ast
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import keras_hub
import numpy as np
import pytest
from conftest import ROOT, mostly_slow, write_pictures
from drawing import write_masks
from matplotlib.figure import Figure
from recording import write_sounds, write_spoken
from writing import encoder, tokenizer, write_reviews, write_sentences

import keras_transfer as kt
from keras_transfer._presets import is_preset
from keras_transfer.demo.reviews import ENCODER
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.origins import origin_of, remember

sys.path.insert(0, str(ROOT / "docs" / "_site"))
import reference

PAGES = ["README.md", "saved_models/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "api")
THEIRS = '```{.python title="'  # code of another library, which the page puts beside ours


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


# What some pages print, in this order; the words that all of them print are looked at as well.
SAID = {
    "README.md": [r"^accuracy +[01]\.\d{4}$", r"^(blue|green|red) [01]\.\d+$"],
    "docs/adapting.md": [r"^[01]\.\d+$", r"^(mcc x0\.5|none) .* chosen$", r"^proxy A-distance +\d\.\d+"],
    "docs/caching.md": [r"^\(3, \d+\) \(3,\)$"],
    "docs/data.md": [
        r"^ImageData: 3 classes, 32x32",
        r"^\('cold', 'warm'\) \('blue', 'cold', 'red', 'warm'\)$",
        r"^{'train': {'blue': 5, 'green': 5, 'red': 5}, 'validation': {'blue': 1, .*} {'train': {'blue': 5, ",
        r"^18 images found, 18 usable, 0 left out$",
        r"^\(15, 3\)$",
        r"^proxy A-distance \d\.\d+ of 2",
    ],
    "docs/models.md": [r"^\(None, 32, 32, 3\) \(None, 3\)$"],
    "docs/runtimes.md": [r"^litert .* yes$", r"^openvino .* yes$", r"^\(1, 3\)$", r"^\(1, 3\)$", "^(blue|green|red)$"],
    "docs/server.md": ['"state": "AVAILABLE"', r"^127\.0\.0\.1:\d+$"],
    "docs/serving.md": ["^(blue|green|red)$", r"^\(1, 2\)$"],
    "docs/unfreezing.md": [
        r"^\('block1', 'block2', 'block3', 'block4', 'block5'\)$",
        r"^learning rate \S+: there the loss falls fastest",
    ],
}
# What no page prints: something without words for itself, a number that is none, an answer that is missing.
EMPTY_WORDS = re.compile(r"^\s*$|<[\w.]+ object at 0x|\bnan\b|\bNone$|Traceback")


@pytest.fixture
def quick(doubles, monkeypatch):
    """Makes what the documents call quick: small networks under the names they name, exports that are not verified."""
    build, export = kt.build_model, kt.export

    def build_small(backbone, num_classes, **options):
        small = {} if isinstance(backbone, str) and is_preset(backbone) else {"image_size": 32}
        return build(backbone, num_classes, **{**small, **options})

    monkeypatch.setattr("keras_transfer.build_model", build_small)
    monkeypatch.setattr("keras_transfer.export", lambda *args, **options: export(*args, **options, verify=False))


@pytest.fixture
def random_weights(monkeypatch):
    """The networks that the documents name, whose weights are not downloaded here."""
    build = kt.build_model

    def build_random(backbone, num_classes, **options):
        if isinstance(backbone, str) and is_preset(backbone):
            return build(backbone, num_classes, **options)
        least = getattr(BACKBONES.find(backbone), "min_image_size", 32) if isinstance(backbone, str) else 32
        options = {"image_size": least, **options, "weights": None}
        model = build(backbone, num_classes, **{**options, "image_size": max(least, options["image_size"])})
        remember(model, replace(origin_of(model), weights="imagenet"))
        return model

    monkeypatch.setattr("keras_transfer.build_model", build_random)


# what is said of sets as tiny as these
FEW = pytest.mark.filterwarnings("ignore:.*(is a guess|are too few to choose by|Transfer promises nothing):UserWarning")
WITH_PYTHON = [page for page in PAGES if _blocks(page, "python")]


# with `make test-slow`
LONG = ("docs/coming_from.md", "docs/adapting.md", "docs/sound.md", "docs/text.md", "docs/segmentation.md")


@FEW
@pytest.mark.parametrize(
    "page", mostly_slow(sorted(WITH_PYTHON, key=LONG.__contains__), fast=len(WITH_PYTHON) - len(LONG))
)
def test_python_in_documents_runs(page, quick, served_colours, tmp_path, monkeypatch):
    """The blocks of a page run one after another on tiny pictures, with small networks, for one epoch."""
    _run_page(page, served_colours, tmp_path, monkeypatch)


@pytest.mark.slow
@FEW
@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_in_documents_runs_with_the_networks_they_name(
    page, random_weights, cold_probe, served_colours, tmp_path, monkeypatch
):
    """And exports are verified by a process of their own."""
    _run_page(page, served_colours, tmp_path, monkeypatch)


def _run_page(page, served_colours, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(folder / "cache"))
    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", lambda preset, **options: encoder("bert"))
    monkeypatch.setattr(keras_hub.tokenizers.Tokenizer, "from_preset", lambda preset: tokenizer("bert"))
    blocks = _blocks(page, "python")
    text = "\n".join(blocks)
    if "kt.export(" not in text:
        shutil.copytree(served_colours, folder / "saved_models" / "photos")
    for name in re.findall(r'from_audio_directory\(\s*"(\w+)"', text):
        write_sounds(folder / name, per_class=6)
    for name in re.findall(r'from_masks\(\s*"(\w+)"', text):
        write_masks(folder / name)
    for name in re.findall(r'"(\w+)\.csv", text_column', text):
        write_reviews(folder / f"{name}.csv")
    for name in {"photos", *re.findall(r'(?:from_directory|unlabelled|check|root=)\(?"(?!no_)([\w/]+)"', text)}:
        write_pictures(folder / name, per_class=6)
    (folder / "new.jpg").write_bytes((folder / "photos" / "red" / "0.jpg").read_bytes())
    said: list[str] = []
    names: dict = {"print": lambda *parts: said.append(" ".join(map(str, parts)))}
    for block in blocks:
        block = re.sub(r"trials=\d", "trials=1", block)
        block = re.sub(r"(folds\(\w+, )\d", r"\g<1>2", block)
        block = re.sub(r'(image_size"?[=:] ?)\d+', r"\g<1>32", textwrap.dedent(block))
        said_before = len(said)
        exec(compile(re.sub(r"epochs=\d+", "epochs=1", block), page, "exec"), names)
        assert len(said) > said_before or "print(" not in block, f"this prints nothing:\n{block}"
    assert not [words for words in said if EMPTY_WORDS.search(words)]
    rest = "\n".join(said)
    for expected in SAID.get(page, ()):
        found = re.search(expected, rest, flags=re.MULTILINE)
        assert found, f"{page} should print {expected!r} next. It prints:\n{rest}"
        rest = rest[found.end() :]


def test_all_python_in_documents_is_run_or_another_librarys():
    """A block that is not run says of what library it is, is on the page that compares, and is Python at least."""
    for page in PAGES:
        fences = re.findall(r"^ *```(.*)$", (ROOT / page).read_text(), flags=re.MULTILINE)
        odd = [fence for fence in fences[::2] if fence not in ("", "python", "bash", "console", "text")]
        assert not odd or (page == "docs/coming_from.md" and all(f"```{fence}".startswith(THEIRS) for fence in odd))
    for block in _blocks("docs/coming_from.md", r"\{\.python title=\"[^\"]+\"\}"):
        ast.parse(textwrap.dedent(block))


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page, "bash")])
def test_shell_commands_in_documents_exist(page):
    for line in "\n".join(_blocks(page, "bash")).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            _check_command(words)


def _check_command(words: list[str]) -> None:
    """Fails for a target, command, option, extra or file that is not there."""
    import typer

    from keras_transfer.cli import app

    name, *rest = words
    if name == "keras-transfer":
        command = typer.main.get_command(app)
        while hasattr(command, "commands") and not rest[0].startswith("--"):
            command = command.commands[rest.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= options, words
    elif name == "make":
        assert set(rest) <= set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    elif name == "python" and rest[0] != "-m":
        assert (ROOT / rest[0]).is_file(), words
    elif name == "pip":
        extras = re.findall(r"[\w-]+", re.search(r"\[(.*)\]", words[-1]).group(1)) if "[" in words[-1] else []
        setup = ConfigParser()
        setup.read(ROOT / "setup.cfg")
        assert set(extras) <= set(setup["options.extras_require"]), words
    else:
        assert name in ("docker", "curl", "kubectl", "openssl", "python", "export"), words
        files = [word for word in rest if word.startswith("docs/")]
        assert all((ROOT / file).exists() for file in files), words


def test_every_public_name_is_on_an_api_page_and_says_what_it_does():
    assert reference.complaints() == []


def test_a_name_that_is_missing_from_the_api_pages_is_found(tmp_path):
    for path in reference.API.glob("*.md"):
        without = path.read_text().replace("::: keras_transfer.fine_tune\n", "").replace("| `alignment.KERNELS`", "| x")
        (tmp_path / path.name).write_text(without + "\n::: keras_transfer.fine_tuna\n" * (path.name == "data.md"))
    wrong = "\n".join(reference.complaints(tmp_path))
    assert len(wrong.splitlines()) == 3
    for part in (
        "`::: keras_transfer.fine_tuna` is no",
        "write `::: keras_transfer.fine_tune`",
        "alignment.KERNELS has",
    ):
        assert part in wrong


def _site(folder: Path, index: str, nav: list[str]) -> None:
    """Builds a site of one page with the settings of this project, but without its plugins."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    (folder / "docs").mkdir()
    (folder / "docs" / "index.md").write_text(index)
    places = {"docs_dir": str(folder / "docs"), "site_dir": str(folder / "site"), "theme": "mkdocs"}
    config = load_config(str(ROOT / "mkdocs.yml"), **places, nav=nav, plugins=[], hooks=[], extra_css=[])
    build(config)


@pytest.mark.parametrize(
    ("index", "nav"),
    [
        ("[there](missing.md)", ["index.md"]),
        ("[there](#missing)", ["index.md"]),
        ("![there](missing.png)", ["index.md"]),
        ("# Here", ["index.md", "missing.md"]),
        ("# Here", ["another.md"]),
    ],
)
def test_a_broken_link_or_a_missing_page_fails_the_site(index, nav, tmp_path):
    from mkdocs.exceptions import Abort

    with pytest.raises(Abort):
        _site(tmp_path, index, nav)


def test_a_link_leads_to_the_same_page_in_the_repository_and_on_the_site():
    from types import SimpleNamespace

    import pages

    def shown(text: str, page: str) -> str:
        return pages.on_page_markdown(text, SimpleNamespace(file=SimpleNamespace(src_uri=page)))

    assert shown("[a](docs/data.md#splits)", "index.md") == "[a](data.md#splits)"
    assert shown("[a](../benchmarks/README.md)", "caching.md") == "[a](benchmarks/README.md)"
    assert shown("[a](../docs/adapting.md)", "notebooks/adaptation.md") == "[a](../adapting.md)"
    assert shown("[a](../../notebooks/tutorial.ipynb)", "guide/tune.md") == "[a](../notebooks/tutorial.md)"
    assert shown("[a](https://keras.io) [b](#here)", "data.md") == "[a](https://keras.io) [b](#here)"
    assert shown("```\n[a](docs/b.md)\n```", "index.md") == "```\n[a](docs/b.md)\n```"


def test_the_table_of_what_was_tried_is_what_the_tests_try():
    from test_unfreezing import OPTIMIZERS, OPTIONS

    text = (ROOT / "docs" / "unfreezing.md").read_text()
    for header, tried in (("optimizer", OPTIMIZERS), ("option", OPTIONS)):
        (table,) = re.findall(rf"^\| {header} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
        assert re.findall(r"^\| ([^|]+?) \|", table, flags=re.MULTILINE) == list(tried)
    (table,) = re.findall(r"^\| name \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    assert re.findall(r"`(\w+)` \|", table) == kt.available("schedule")


def test_the_tables_of_methods_and_validators_are_what_there_is():
    text = (ROOT / "docs" / "adapting.md").read_text()
    tables = re.findall(r"^\| name \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    methods, validators = (re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) for table in tables)
    assert sorted(methods) == sorted(kt.available("alignment"))
    assert sorted(validators) == sorted(kt.available("validator"))
    for row in re.findall(r"^\| `(\w+)` \|[^|]+\| ([^|]+) \| ([^|]+) \|", tables[0], flags=re.MULTILINE):
        kind = kt.alignment.ALIGNMENTS.find(row[0])
        assert kind.needs_source == row[1].startswith("labelled") and kind.needs_target == (row[2] == "yes"), row


def test_activations_that_are_computed_again_are_the_same_to_the_bit(toy, arrays):
    """What the documents promise of the cache, for one machine, one version and one batch size."""
    first, again = (kt.extract_features(toy, arrays, "late", verbose=0)[0] for _ in range(2))
    assert np.array_equal(first, again)


def test_the_pictures_of_the_documents_are_small_and_used():
    text = "".join((ROOT / page).read_text() for page in PAGES)
    for path in (ROOT / "docs" / "pictures").iterdir():
        assert path.stat().st_size < 100_000 and f"pictures/{path.name}" in text, path


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def _outputs(cell) -> list[str]:
    """Names what a code cell shows: its last value, its pictures, its text."""
    kinds = [list(output.data) if "data" in output else [output.name] for output in cell.get("outputs", ())]
    return sorted({kind for each in kinds for kind in each} - {"stderr"})


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_holds_its_outputs_and_nothing_of_the_machine(notebook):
    """It can be read where it lies; no warning of a library, path or user is in it, and it is small."""
    import nbformat

    path = ROOT / "notebooks" / notebook
    text = path.read_text()
    assert len(text) < 1_500_000
    assert not re.search(r"/(?:root|home|work|tmp|Users)/|site-packages|\x1b", text)
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run once, from top to bottom"
    assert any("image/png" in _outputs(cell) for cell in cells)


OF_REAL_DATA = ("sentiment.ipynb", "spoken_digits.ipynb")


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebooks_run(notebook, tmp_path, request):
    """Each cell shows again what the notebook holds: pictures where it has pictures, text where it has text."""
    import nbformat

    found = {}
    if notebook in OF_REAL_DATA:
        weights, data = (request.getfixturevalue(name) for name in ("real_weights", "real_data"))
        found = {"ENCODER": weights / "minilm_l6", "SST2": data / "sst2", "SPOKEN_DIGITS": data / "spoken_digits"}
        found["MOBILENETV2_WEIGHTS"] = weights / "mobilenetv2_1.0_224_notop.weights.h5"
    environment = {**os.environ, **{name: str(path) for name, path in found.items()}}
    copy = Path(shutil.copy(ROOT / "notebooks" / notebook, tmp_path))
    command = [sys.executable, "-c", "import nbclient.cli; nbclient.cli.main()", "--inplace", "--timeout=600", copy]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout
    again, kept = (nbformat.read(file, as_version=4).cells for file in (copy, ROOT / "notebooks" / notebook))
    for ran, cell in zip(again, kept, strict=True):
        assert _outputs(ran) == _outputs(cell), cell.source


# What is shortened for a quick run; each is there.
SHORTER = {
    "tutorial.ipynb": {
        "draw_leaves(folder, seed=0)": "draw_leaves(folder, 0, {'train': 4, 'val': 2, 'test': 2})",
        'schedule="gradual", epochs=16': 'schedule="gradual", epochs=4',
    },
    "choosing.ipynb": {
        "draw_leaves(folder, seed=0)": "draw_leaves(folder, 0, {'train': 4, 'val': 2, 'test': 2})",
        'kt.Phase(8, "all", 1e-3)': 'kt.Phase(1, "all", 1e-3)',
        '    "larger, not pretrained": kt.Candidate("MobileNet", None, backbone_options={"alpha": 0.5}),\n': "",
    },
    "sentiment.ipynb": {"of_each=60": "of_each=18", "length=64": "length=24"},
    "spoken_digits.ipynb": {'kt.Phase(30, "all", 1e-3)': 'kt.Phase(1, "all", 1e-3)'},
}


IN_ORDER = ("choosing.ipynb", "tutorial.ipynb", "adaptation.ipynb", "sentiment.ipynb", "spoken_digits.ipynb")


@pytest.mark.filterwarnings("ignore::keras_transfer.DataWarning")  # a notebook shows what goes wrong
@pytest.mark.parametrize("notebook", mostly_slow(sorted(NOTEBOOKS, key=IN_ORDER.index), fast=2))
def test_cells_of_notebooks_run(notebook, doubles, tmp_path, monkeypatch):
    """In this process, on fewer pictures. A cell ends with a picture or a page where the notebook holds one."""
    import nbformat

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPOKEN_DIGITS", str(write_spoken(tmp_path / "spoken")))
    monkeypatch.setenv("SST2", str(write_sentences(tmp_path / "sst2")))
    monkeypatch.setenv("ENCODER", str(ENCODER))
    cells = [
        cell for cell in nbformat.read(ROOT / "notebooks" / notebook, as_version=4).cells if cell.cell_type == "code"
    ]
    source = "\n\0".join(cell.source for cell in cells)
    for long, short in SHORTER.get(notebook, {}).items():
        assert source.count(long) == 1, long
        source = source.replace(long, short)
    names: dict = {"print": lambda *parts: None}
    for cell, code in zip(cells, source.split("\n\0"), strict=True):
        assert _shown(code, notebook, names) <= set(_outputs(cell)), code


def _shown(source: str, name: str, names: dict) -> set[str]:
    """Runs a cell as a notebook does, and returns the kinds of what its last line is worth."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    value = None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), names)
    if isinstance(value, Figure):
        value.savefig(io.BytesIO(), format="png")
        return {"image/png", "text/plain"}
    shown = {"text/html"} if hasattr(value, "_repr_html_") and value._repr_html_() else set()
    return shown | ({"text/plain"} if value is not None else set())
