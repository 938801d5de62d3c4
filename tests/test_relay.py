"""What the callbacks of a training in segments see, and what the user reads."""

from __future__ import annotations

import re

import keras
import pytest
from conftest import mostly_slow, toy_backbone, write_pictures

import keras_transfer as kt

SEGMENTS = (kt.Phase(2, "head", 1e-2), kt.Phase(1, 1, 1e-3))
QUICK = (kt.Phase(1, "head", 1e-2), kt.Phase(1, 1, 1e-3))


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


class Ends(keras.callbacks.Callback):
    """Notes the numbers of batches, and says that it needs none between, so that several run in one execution."""

    watches_steps = False

    def __init__(self):
        super().__init__()
        self.training, self.validation = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.training.append(batch)

    def on_test_batch_end(self, batch, logs=None):
        self.validation.append(batch)


@pytest.mark.parametrize("cache", mostly_slow(["memory", False]))
def test_batches_are_numbered_within_the_epoch(toy, data, cache, capsys):
    """The head alone takes 32 steps in one execution, where the epoch has three and validation one."""
    assert int(data.train.cardinality()) == 3 and int(data.validation.cardinality()) == 1
    ends = Ends()
    kt.fine_tune(toy, data, schedule=SEGMENTS, cache=cache, callbacks=[ends], verbose=1)
    assert ends.training.count(2) == 3 and max(ends.training) == 2
    assert ends.validation == [0, 0, 0]
    text = re.sub(r"\x1b\[[0-9]*m", "", capsys.readouterr().out)
    bars = [(int(done), int(of)) for done, of in re.findall(r"[\r\n\b] *(\d+)/(\d+) ", text)]
    assert bars.count((3, 3)) >= 3 and all(done <= of for done, of in bars), bars


@pytest.mark.parametrize(
    ("cache", "augment"),
    [
        pytest.param(False, "none", marks=pytest.mark.slow),
        pytest.param("memory", "none", marks=pytest.mark.slow),
        pytest.param("disk", "none", marks=pytest.mark.slow),
        ("auto", ["light", "mixup"]),
    ],
)
def test_nothing_is_written_where_verbose_is_0(pictures, cache, augment, tmp_path, capfd):
    """By anything: it is the file descriptors that are read."""
    data = kt.data.from_directory(pictures, image_size=32, batch_size=8, augment=augment)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    cache = cache and kt.Cache(cache, tmp_path / "cache")
    options = {"schedule": QUICK, "cache": cache, "class_weight": "balanced", "resume_dir": tmp_path / "run"}
    capfd.readouterr()
    for _ in ("trained", "finished"):
        kt.fine_tune(model, data, **options, verbose=0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cache", [pytest.param(False, marks=pytest.mark.slow), "memory"])
def test_nothing_is_written_by_an_adaptation_where_verbose_is_0(data, cache, tmp_path, capfd):
    target = kt.data.from_directory(write_pictures(tmp_path / "other", per_class=10), image_size=32, batch_size=8)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    capfd.readouterr()
    kt.adapt(model, data, target, method="adabn", schedule=QUICK[1:], cache=cache, verbose=0)
    assert capfd.readouterr() == ("", "")
