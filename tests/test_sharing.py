"""SharedCache: what one training left in memory serves the next, and no more is held than one training needs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import keras_transfer as kt
from keras_transfer.caching.activations import Activations
from keras_transfer.caching.sharing import SharedCache

CUTS = ["features", "late"]
SPLITS = ["train", "validation"]


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


@pytest.fixture
def runs(monkeypatch) -> list[str]:
    """The splits whose images run through the frozen part, in their order."""
    found: list[str] = []
    run_images = Activations._run

    def counted(self, split, writers):
        found.append(split)
        run_images(self, split, writers)

    monkeypatch.setattr(Activations, "_run", counted)
    return found


def activations(model, data, cache) -> Activations:
    return Activations(model, data, CUTS, cache, SPLITS, verbose=0)


def test_a_second_training_takes_what_the_first_has_computed(toy, data, runs):
    shared = SharedCache.of(kt.Cache("memory"))
    first, second, alone = (activations(toy, data, cache) for cache in (shared, shared, kt.Cache("memory")))
    found = [each.at(cut) for each in (first, second, alone) for cut in CUTS]
    assert runs == SPLITS * 2, "once for the two that share, once for the one that does not"
    for cut, ours, theirs, own in zip(CUTS, found[:2], found[2:4], found[4:], strict=True):
        for split in SPLITS:
            assert ours[split][0] is theirs[split][0], cut
            rows = np.arange(5)
            assert np.array_equal(ours[split][0].read(rows), own[split][0].read(rows))


def test_labels_do_not_matter_and_images_and_weights_do(toy, data, runs):
    shared = SharedCache.of(kt.Cache("memory"))
    activations(toy, data, shared).at("late")
    del runs[:]
    activations(toy, kt.data.sources.unlabelled.blinded(data), shared).at("late")
    assert not runs
    bright = dataclasses.replace(data, splits=data.splits, resize="stretch")
    activations(toy, bright, shared).at("late")
    assert runs == SPLITS
    toy.get_layer("first").kernel.assign_add(np.ones(toy.get_layer("first").kernel.shape))
    activations(toy, bright, shared).at("late")
    assert runs == SPLITS * 2


def test_where_the_cuts_fit_one_at_a_time_no_more_than_one_is_held(toy, data, runs):
    sizes = [activations(toy, data, kt.Cache()).size([cut]) for cut in CUTS]
    shared = SharedCache.of(kt.Cache("memory", limit=max(sizes)))
    for _ in range(2):
        one = activations(toy, data, shared)
        for cut, size in zip(CUTS, sizes, strict=True):
            one.at(cut)
            (kept,) = shared.kept.values()
            assert sum(array._values.nbytes for arrays in kept.values() for array in arrays) == size
    assert len(runs) == 2 * len(CUTS) * len(SPLITS)


def test_the_place_is_decided_once_for_all_trainings(monkeypatch):
    """The first training takes memory, which must not send the second to the disk."""
    memory = iter([1000, 10])
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("memory", (), {"available": next(memory)}))
    shared = SharedCache.of(kt.Cache("memory", views=2))
    assert shared.memory_budget() == 1000 == shared.memory_budget() and shared.views == 2
