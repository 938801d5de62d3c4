"""The project keeps its own promises: light import, exact public names, modules that stay small."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys

from conftest import ROOT

import keras_transfer as kt


def test_public_names_are_exact_and_all_there():
    declared = ast.parse((ROOT / "keras_transfer" / "__init__.pyi").read_text())
    imported = {alias.name for node in declared.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    (listed,) = [ast.literal_eval(node.value) for node in declared.body if isinstance(node, ast.Assign)]
    assert sorted(listed) == listed and set(listed) == imported == set(kt.__all__)
    for name in listed:
        assert getattr(kt, name) is not None


def test_import_is_light():
    code = (
        "import sys, keras_transfer; print(sorted({'keras', 'tensorflow', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_every_public_part_says_what_it_does():
    for kind in kt.available():
        assert kt.available(kind)
    for name in kt.__all__:
        part = getattr(kt, name)
        assert name == "__version__" or (part.__doc__ and part.__doc__.strip()), name


def test_no_module_grows_without_end():
    long = {
        path.name: count
        for path in (ROOT / "keras_transfer").rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 260
    }
    assert not long


def test_every_module_has_a_docstring_and_no_assert():
    for path in (ROOT / "keras_transfer").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if tree.body:
            assert ast.get_docstring(tree), path
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], path


def test_the_table_of_rooms_is_the_import_contract():
    rows = re.findall(r"^\| (\d+) \| `(\w+)/?` \|", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    floors: dict[int, set[str]] = {}
    for floor, room in rows:
        floors.setdefault(int(floor), set()).add(room)
    assert list(floors) == list(range(len(floors), 0, -1))
    contract = configparser.ConfigParser()
    contract.read(ROOT / "setup.cfg")
    layers = contract["importlinter:contract:floors"]["layers"].split("\n")
    assert list(floors.values()) == [set(layer.split(" | ")) for layer in layers if layer]
    there = {path.stem for path in (ROOT / "keras_transfer").iterdir() if (path / "__init__.py").exists()}
    there |= {path.stem for path in (ROOT / "keras_transfer").glob("*.py")} - {"__init__", "_version"}
    assert set().union(*floors.values()) == there
