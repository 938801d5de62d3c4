"""predict_folder: a row for each file, in bounded memory, and on from where it stopped."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
from conftest import mostly_slow
from drawing import write_pictures

import keras_transfer as kt
from keras_transfer.engines import ENGINES
from keras_transfer.serving import folder_predictions


@pytest.fixture
def folder(tmp_path):
    root = write_pictures(tmp_path / "photos", per_class=4)
    (root / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (root / "blue" / 'comma, and "quotes".jpg').write_bytes((root / "blue" / "0.jpg").read_bytes())
    np.save(root / "green" / "array.npy", np.full((40, 40), 200, "uint8"))
    return root


def rows_of(table):
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_file(exported, folder, tmp_path):
    served = kt.load(exported)
    table = kt.predict_folder(served, folder, tmp_path / "new" / "p.csv", verbose=0)
    rows = rows_of(table)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert sorted(row["file"] for row in rows) == sorted(path.relative_to(folder).as_posix() for path in files)
    for row in rows:
        if row["file"] == "red/broken.jpg":
            assert "cannot be decoded" in row["error"] and row["class_name"] == row["probability"] == ""
            continue
        (expected,) = served.predict([folder / row["file"]])
        assert row["error"] == "" and row["class_name"] == expected.class_name
        assert float(row["probability"]) == pytest.approx(expected.probability, abs=1e-5)
        for name in served.class_names:
            assert float(row[name]) == pytest.approx(expected.probabilities[name], abs=1e-5)
    assert [path.name for path in table.parent.iterdir()] == ["p.csv"]


@pytest.mark.parametrize("engine", mostly_slow([name for name in ENGINES.names() if name != "tensorflow"]))
def test_every_engine_gives_the_same_rows(exported, folder, tmp_path, engine):
    whole, other = (
        rows_of(kt.predict_folder(exported, folder, tmp_path / f"{name}.csv", engine=name, verbose=0))
        for name in ("tensorflow", engine)
    )
    for expected, row in zip(whole, other, strict=True):
        assert {name: row[name] for name in ("file", "class_name", "error")} == {
            name: expected[name] for name in ("file", "class_name", "error")
        }
        if not row["error"]:
            assert float(row["probability"]) == pytest.approx(float(expected["probability"]), abs=1e-5)


@pytest.mark.parametrize("cut", mostly_slow([25, 1, 0, 60]))
def test_it_goes_on_where_it_stopped(exported, folder, tmp_path, monkeypatch, cut):
    monkeypatch.setattr(folder_predictions, "_CHUNK", 4)
    whole = kt.predict_folder(exported, folder, tmp_path / "whole.csv", verbose=0)
    answered = []
    real = folder_predictions._outputs

    def interrupted(run, images):
        if len(answered) == 2:
            raise KeyboardInterrupt
        answered.append(len(images))
        return real(run, images)

    monkeypatch.setattr(folder_predictions, "_outputs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kt.predict_folder(exported, folder, tmp_path / "p.csv", verbose=0)
    monkeypatch.setattr(folder_predictions, "_outputs", real)
    part = tmp_path / ".p.unfinished.csv"
    assert part.exists() and not (tmp_path / "p.csv").exists()
    content = part.read_bytes()
    part.write_bytes(content[: len(content) - cut])  # killed in the middle of a row
    kt.predict_folder(exported, folder, tmp_path / "p.csv", verbose=0)
    key = lambda row: row["file"]  # noqa: E731
    assert sorted(rows_of(tmp_path / "p.csv"), key=key) == sorted(rows_of(whole), key=key)
    assert not part.exists()


@pytest.mark.parametrize("kept", [0, 10])
def test_a_beginning_that_is_cut_off_is_begun_anew(exported, folder, tmp_path, kept):
    about = json.dumps({"version": "x"}).encode()
    (tmp_path / ".p.unfinished.csv").write_bytes(about[:kept])
    assert len(rows_of(kt.predict_folder(exported, folder, tmp_path / "p.csv", verbose=0))) == 15


def test_rows_of_another_version_are_not_mixed_in(exported, folder, tmp_path):
    about = json.dumps({"version": "/other/1", "class_names": []})
    (tmp_path / ".p.unfinished.csv").write_text(
        f'"{about.replace(chr(34), chr(34) * 2)}"\r\nfile\r\nred/0.jpg\r\n', newline=""
    )
    with pytest.raises(kt.InputError, match="of this version.*another"):
        kt.predict_folder(exported, folder, tmp_path / "p.csv", verbose=0)


def test_parquet_holds_the_same(exported, folder, tmp_path):
    import pandas

    kt.predict_folder(exported, folder, tmp_path / "p.csv", verbose=0)
    kt.predict_folder(exported, folder, tmp_path / "p.parquet", verbose=0)
    rows, found = rows_of(tmp_path / "p.csv"), pandas.read_parquet(tmp_path / "p.parquet")
    assert list(found["file"]) == [row["file"] for row in rows]
    for name in kt.load(exported).class_names:
        expected = [float(row[name]) if row[name] else np.nan for row in rows]
        assert np.allclose(found[name], expected, equal_nan=True)


def test_what_cannot_be_done_is_said_before_work(exported, folder, tmp_path, monkeypatch):
    with pytest.raises(kt.InputError, match=r"\.csv or \.parquet"):
        kt.predict_folder(exported, folder, tmp_path / "p.xlsx")
    with pytest.raises(kt.InputError, match="not a folder"):
        kt.predict_folder(exported, folder / "none", tmp_path / "p.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(kt.InputError, match="Received: none"):
        kt.predict_folder(exported, tmp_path / "empty", tmp_path / "p.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(kt.DiskError, match="cannot be written"):
        kt.predict_folder(exported, folder, tmp_path / "file" / "p.csv", verbose=0)
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(kt.InputError, match=r"keras-transfer\[parquet\]"):
        kt.predict_folder(exported, folder, tmp_path / "p.parquet")


def test_a_name_that_is_not_utf_8_is_a_row_too(exported, folder, tmp_path):
    (folder / "red" / os.fsdecode(b"caf\xe9.jpg")).write_bytes((folder / "red" / "0.jpg").read_bytes())
    rows = rows_of(kt.predict_folder(exported, folder, tmp_path / "p.csv", verbose=0))
    (row,) = [row for row in rows if "caf" in row["file"]]
    assert "not UTF-8" in row["error"] and len(rows) == 16


def test_the_shell_writes_the_table(exported, folder, tmp_path):
    from conftest import ROOT  # noqa: F401
    from typer.testing import CliRunner

    from keras_transfer.cli import app

    done = CliRunner().invoke(
        app, ["predict", str(exported), str(folder), "--output", str(tmp_path / "p.csv"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["output"] == str(tmp_path / "p.csv")
    assert len(rows_of(tmp_path / "p.csv")) == 15
    done = CliRunner().invoke(app, ["predict", str(exported), str(folder / "red" / "0.jpg"), "--output", "p.csv"])
    assert done.exit_code != 0
