"""Files that were decodable are not decoded again on the same machine, until they change."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import keras_transfer as kt
from keras_transfer.caching.folder import clear
from keras_transfer.data import files, known_files

COUNT = 60


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for index in range(COUNT):
        path = folder / "ab"[index % 2] / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def copied(photographs, cache, looked_at, tmp_path):
    """A folder of one's own that has been read before."""
    shutil.copytree(photographs, tmp_path / "copy")
    read(tmp_path / "copy")
    looked_at.clear()
    return tmp_path / "copy"


@pytest.fixture
def looked_at(monkeypatch):
    """The files that were decoded to be checked."""
    seen = []
    real = files.examine_files

    def noted(paths, side, look):
        seen.extend(paths)
        return real(paths, side, look)

    monkeypatch.setattr(files, "examine_files", noted)
    return seen


def read(folder, size=16):
    return kt.data.from_directory(folder, image_size=size)


def test_files_are_checked_once(photographs, cache, looked_at):
    first = read(photographs)
    assert len(looked_at) == COUNT
    second = read(photographs)
    assert len(looked_at) == COUNT and first.counts == second.counts
    read(photographs, size=32)
    assert len(looked_at) == 2 * COUNT, "another size is decoded in another way"


def test_a_file_that_changes_is_checked_anew_and_others_are_not(copied, looked_at):
    bad = copied / "a" / "00.png"
    before = bad.stat()
    bad.write_bytes(bad.read_bytes()[:-40].ljust(before.st_size, b"\0"))
    os.utime(bad, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same size and time: what is left is the change's
    with pytest.warns(kt.DataWarning):
        data = read(copied)
    assert looked_at == [bad] and [item.path for item in data.left_out] == [bad]
    looked_at.clear()
    with pytest.warns(kt.DataWarning):
        read(copied)
    assert looked_at == [bad], "what is left out is looked at each time, to say why"


def test_new_files_are_checked(copied, looked_at):
    new = copied / "b" / "new.png"
    shutil.copy(copied / "b" / "01.png", new)
    read(copied)
    assert looked_at == [new]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a/00.png": 3}'])
def test_a_damaged_record_is_no_record(photographs, cache, looked_at, content):
    read(photographs)
    (record,) = (cache / known_files.FOLDER).glob("*.json")
    record.write_text(content)
    looked_at.clear()
    assert len(read(photographs).splits["train"]) and len(looked_at) == COUNT
    read(photographs)
    assert len(looked_at) == COUNT, "the record is whole again"


def test_a_part_of_a_folder_does_not_forget_the_rest(photographs, cache, looked_at):
    read(photographs)
    with pytest.warns(kt.DataWarning, match="is excluded"):
        kt.data.from_directory(photographs, image_size=16, exclude=["00.png"])
    read(photographs)
    assert len(looked_at) == COUNT


def test_a_cache_that_cannot_be_written_is_no_error(photographs, cache, looked_at):
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        read(photographs)
    assert len(looked_at) == 2 * COUNT


def test_clearing_the_cache_forgets_files(photographs, cache, looked_at):
    read(photographs)
    clear(cache)
    read(photographs)
    assert len(looked_at) == 2 * COUNT
