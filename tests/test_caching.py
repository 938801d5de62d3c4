"""The activation cache: the same result, computed once, never stale, never half written."""

from __future__ import annotations

import dataclasses
import errno
import functools
import gc
import multiprocessing
import os
import shutil
import signal
import time
import weakref
from contextlib import ExitStack, closing
from threading import Barrier, Thread

import keras
import numpy as np
import pytest
from conftest import toy_backbone, write_pictures

import keras_transfer as kt
from keras_transfer.caching.activations import Activations
from keras_transfer.caching.arrays import DiskArray, DiskWriter, MemoryArray
from keras_transfer.caching.cuts import frozen_cut
from keras_transfer.caching.folder import clear, entries, new_entry, open_entry
from keras_transfer.caching.identity import key_of
from keras_transfer.data.augment.named import AUGMENTATIONS, find
from keras_transfer.data.augment.seeded_layers import SeededLayer
from keras_transfer.data.pixels.resizing import RESIZES

PHASES = (kt.Phase(2, "head", 1e-2), kt.Phase(2, 1, 1e-3), kt.Phase(1, 2, 1e-3))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def train(data, cache, *, schedule=PHASES, optimizer=None, head="linear", nudged=False, **options):
    """Trains a fresh toy, whose first kernel may be nudged by one unit of the last place. Returns weights, History."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32, head=head)
    if nudged:
        kernel = model.get_layer("first").kernel
        kernel.assign(np.nextafter(kernel.numpy(), np.float32(np.inf)))
    optimizer = optimizer() if optimizer else keras.optimizers.SGD(momentum=0.9)
    history = kt.fine_tune(model, data, schedule=schedule, optimizer=optimizer, cache=cache, verbose=0, **options)
    return model.get_weights(), history


def difference(first, second) -> float:
    """The largest difference, relative to the largest weight of its variable."""
    return max(np.abs(a - b).max() / max(np.abs(a).max(), 1e-3) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


@pytest.fixture(scope="module")
def uncached(files):
    """Weights and History of a training without a cache."""
    return train(files, False)


@pytest.mark.xdist_group("uncached")  # which takes ten seconds
@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_cached_and_uncached_training_end_in_the_same_weights(files, cache, uncached):
    """Fifteen steps, three phases, Dropout and noise in the stages that open, shuffled over the whole set."""
    plain, history = uncached
    cached, cached_history = train(files, cache)
    assert difference(plain, cached) <= 1e-5
    assert cached_history.epoch == history.epoch == list(range(5))
    assert cached_history.boundaries == history.boundaries == [2, 4]
    for name, values in history.history.items():
        assert cached_history.history[name] == pytest.approx(values, abs=1e-4), name


def adam(epsilon=1e-7):
    inner = keras.optimizers.Adam(use_ema=True, gradient_accumulation_steps=2, epsilon=epsilon)
    return keras.optimizers.LossScaleOptimizer(inner)


@pytest.mark.slow
def test_the_optimizer_and_dropout_in_the_head_do_not_notice_the_cache(data):
    """With an epsilon above the rounding of gradients, so that nothing enlarges it (see the next test)."""
    optimizer = functools.partial(adam, 1e-2)
    plain, cached = (train(data, cache, optimizer=optimizer, head="mlp")[0] for cache in (False, "memory"))
    assert difference(plain, cached) <= 1e-4


@pytest.mark.slow
def test_adam_as_it_comes_does_not_notice_the_cache_as_far_as_rounding_goes(data):
    """A nudge of one unit in the last place is the measure of rounding, on any processor.

    A step of Adam is `rate * m / (sqrt(v) + 1e-7)`, of the size of the rate however small the gradient is. Where a
    gradient is nothing but rounding, its sign is chance, and with kernels that round otherwise for batches of other
    shapes a weight may go a whole rate the other way. SGD does not enlarge rounding: the tests above allow 1e-5.
    """
    plain, nudged, cached = (
        train(data, cache, optimizer=adam, head="mlp", nudged=nudge)[0]
        for cache, nudge in ((False, False), (False, True), ("memory", False))
    )
    assert difference(plain, cached) <= max(1e-4, 10 * difference(plain, nudged))


def test_callbacks_see_one_model_and_continuous_epochs(toy, data, tmp_path):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append("begin")

        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, self.model is toy, sorted(logs)))

        def on_train_end(self, logs=None):
            seen.append("end")

    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    kt.fine_tune(toy, data, schedule=PHASES, callbacks=[Look(), logger, checkpoint], cache="memory", verbose=0)
    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert seen == ["begin", *((epoch, True, names) for epoch in range(5)), "end"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 6
    again = kt.build_model(toy_backbone(), 3, image_size=32)
    again.load_weights(tmp_path / "5.weights.h5")  # of the whole model
    assert toy.optimizer.built and toy.history.epoch == list(range(5))


def test_early_stopping_ends_all_segments(toy, data):
    phases = (kt.Phase(5, "head", 1e-20), kt.Phase(5, 1, 1e-20))
    assert len(kt.fine_tune(toy, data, schedule=phases, patience=2, verbose=0).epoch) == 3


def test_one_pass_serves_all_cuts(toy, data, monkeypatch):
    passes = []
    whole = kt.data.ImageData.in_order

    def in_order(self, split, **options):
        passes.append(split)
        return whole(self, split, **options)

    monkeypatch.setattr(kt.data.ImageData, "in_order", in_order)
    kt.fine_tune(toy, data, schedule=PHASES, cache="memory", verbose=0)
    assert sorted(passes) == ["train", "validation"]


@pytest.mark.parametrize(
    ("unfrozen", "pooling", "cut"),
    [
        ("head", "avg", "features"),
        ("head", "gem", "features"),
        ("head", "attention", "head"),
        (1, "avg", "late"),
        ("middle", "avg", "middle"),
        ("all", "avg", None),
        (("early", "head"), "avg", None),
        (("middle",), "avg", "middle"),
    ],
)
def test_the_cut_is_behind_the_longest_frozen_part(unfrozen, pooling, cut):
    model = kt.build_model(toy_backbone(), 3, image_size=32, pooling=pooling)
    assert frozen_cut(model, unfrozen) == cut


def test_memory_if_it_fits_else_disk_else_nothing(toy, data, capsys, own_folder):
    schedule = (kt.Phase(2, "head", 1e-2),)
    size = 30 * 16 * 4
    for cache, line, files in (
        (kt.Cache(), "MB in memory", 0),
        (kt.Cache(limit=size), "MB in memory", 0),
        (kt.Cache("disk"), "MB in disk", 2),
        (kt.Cache("disk", limit=size - 1), f"off, since the activations at 'features' take {size:,} bytes", 0),
        (kt.Cache("memory", limit=size - 1), "off, since the activations", 0),
    ):
        clear(own_folder)
        kt.fine_tune(toy, data, schedule=schedule, cache=cache, verbose=2)
        assert line in capsys.readouterr().out
        assert len(entries(own_folder)) == files


@pytest.mark.xdist_group("uncached")
def test_cuts_that_do_not_fit_together_are_computed_one_by_one(files, uncached):
    small = kt.Cache("memory", limit=30 * 4 * 4 * 16 * 4 + 1)
    assert difference(uncached[0], train(files, small)[0]) <= 1e-5


def test_float16_takes_half_and_changes_little(toy, data, own_folder):
    whole = kt.CachedDataset(toy, data, "late", verbose=0, cache=kt.Cache("disk"))
    size = sum(entry.size for entry in clear(own_folder))
    half = kt.CachedDataset(toy, data, "late", verbose=0, cache=kt.Cache("disk", dtype="float16"))
    assert sum(entry.size for entry in entries(own_folder)) < 0.6 * size
    for (exact, _), (rounded, _) in zip(whole.validation, half.validation, strict=True):
        assert rounded.dtype == "float32" and 0 < np.abs(exact - rounded).max() <= np.abs(exact).max() / 1024


def test_arrays_give_rows_in_any_order(tmp_path):
    rows = np.arange(60, dtype="float32").reshape(10, 2, 3)
    memory, writer = MemoryArray(10, (2, 3), "float32"), DiskWriter(tmp_path / "0.npy", 10, (2, 3), "float32")
    for array in (memory, writer):
        array.append(rows[:7])
        array.append(rows[7:])
    writer.close()
    disk = DiskArray(tmp_path / "0.npy")
    (tmp_path / "0.npy").unlink()  # another process clears the cache
    for array in (memory, disk):
        assert np.array_equal(array.read(np.array([9, 0, 0, 4])), rows[[9, 0, 0, 4]])


def test_any_change_makes_another_key(tmp_path):
    folder = write_pictures(tmp_path / "pictures", per_class=4)

    def key(change_model=lambda model: None, change_files=lambda: None, views=0, dtype="float32", at="late", **options):
        keras.utils.set_random_seed(0)
        model = kt.build_model(toy_backbone(), 3, image_size=options.get("image_size", 32))
        change_model(model)
        change_files()
        data = kt.data.from_directory(folder, **{"image_size": 32, **options})
        return key_of(kt.split(model, at)[0], data, "train", views, dtype)

    first = folder / "red" / "0.jpg"
    second = first.read_bytes()
    same = key()
    assert key() == same, "another process with other layer names finds it again"
    assert key(lambda model: model.get_layer("logits").kernel.assign_add(np.ones((16, 3)))) == same, "behind the cut"
    others = [
        key(lambda model: model.get_layer("first").kernel.assign_add(np.full((3, 3, 3, 8), 1e-6))),
        key(lambda model: model.get_layer("first_bn").moving_mean.assign(np.ones(8))),
        key(at="middle"),
        key(dtype="float16"),
        key(image_size=40),
        key(resize="pad"),
        key(views=2, augment="light"),
        key(views=3, augment="light"),
        key(views=2, augment="light", seed=1),
        key(change_files=lambda: os.utime(first, (1, 1))),
        key(change_files=lambda: first.write_bytes(second + b" ")),
        key(change_files=lambda: first.rename(folder / "red" / "renamed.jpg")),
    ]
    assert len({same, *others}) == 13


def test_an_augmentation_is_known_by_its_code(toy, data, monkeypatch):
    """A name whose meaning has changed makes another key, and a function that has not changed the same one."""

    def key(augment, resize="crop"):
        changed = dataclasses.replace(data, augment=augment, resize=resize)
        return key_of(kt.split(toy, "late")[0], changed, "train", 2, "float32")

    def scaled(by):
        return lambda image: image * by

    parts = {"mine": lambda image, seed: image + 1, "layer": SeededLayer(lambda: keras.layers.RandAugment(num_ops=1))}
    monkeypatch.setattr(AUGMENTATIONS, "_parts", {**AUGMENTATIONS._parts, **parts})
    found = ["mine", "layer", ["light", "mine"], scaled(2), scaled(3), functools.partial(scaled(2))]
    found.append(keras.layers.RandAugment(num_ops=3))
    before = [key(augment) for augment in found]
    assert [key(augment) for augment in found] == before and len(set(before)) == len(found)
    find(["layer"])  # makes its layer
    assert key(scaled(2)) == before[3] and key(["layer"]) == before[1]
    AUGMENTATIONS._parts["mine"] = lambda image, seed: image + 2
    AUGMENTATIONS._parts["layer"] = SeededLayer(lambda: keras.layers.RandAugment(num_ops=2))
    assert not set(map(key, ("mine", "layer", ["light", "mine"]))) & set(before)
    monkeypatch.setattr(RESIZES, "_parts", {**RESIZES._parts, "mine": lambda image, size: image})
    resized = key("light", "mine")
    RESIZES._parts["mine"] = lambda image, size: image + 1
    assert key("light", "mine") != resized


def test_a_layer_of_ones_own_is_known_by_its_code():
    def key(by):
        scope = {"keras": keras, "__name__": "of_a_user"}
        exec(f"class Scaled(keras.layers.Layer):\n    def call(self, x):\n        return x * {by}", scope)
        inputs = keras.Input((8, 8, 3))
        data = kt.data.from_arrays(np.zeros((4, 8, 8, 3), "uint8"), np.arange(4) % 2, class_names=["a", "b"])
        return key_of(keras.Model(inputs, scope["Scaled"]()(inputs)), data, "train", 0, "float32")

    assert key(2) == key(2) != key(3)


def test_images_in_memory_are_known_by_their_content(toy):
    images, labels = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype="uint8"), np.arange(12) % 3
    keys = []
    for changed in (False, False, True):
        images = images.copy()
        images[0, 0, 0, 0] += changed
        data = kt.data.from_arrays(images, labels, class_names=["a", "b", "c"], validation_split=0.25)
        prefix = kt.split(toy, "late")[0]
        keys.append([key_of(prefix, data, split, 0, "float32") for split in ("train", "validation")])
    assert keys[0] == keys[1] != keys[2]


def test_a_second_run_reads_what_the_first_one_wrote(toy, data, own_folder, monkeypatch):
    first = kt.CachedDataset(toy, data, "late", cache=kt.Cache("disk"), verbose=0)
    monkeypatch.setattr(Activations, "_run", lambda *_: pytest.fail("computed again"))
    second = kt.CachedDataset(toy, data, "late", cache=kt.Cache("disk"), verbose=0)
    for (ours, _), (theirs, _) in zip(first.validation, second.validation, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.xdist_group("uncached")
def test_a_full_disk_leaves_nothing_and_training_goes_on(files, own_folder, monkeypatch, uncached):
    def full(self, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DiskWriter, "append", full)
    with pytest.warns(kt.DataWarning, match="No space left on device.*Training goes on without it"):
        weights, _ = train(files, "disk")
    assert difference(uncached[0], weights) <= 1e-5
    assert list(own_folder.iterdir()) == []


def test_a_damaged_entry_is_written_again(toy, data, own_folder):
    first = list(kt.CachedDataset(toy, data, "late", cache=kt.Cache("disk"), verbose=0).validation)
    for entry in entries(own_folder):
        (entry.path / "0.npy").write_bytes((entry.path / "0.npy").read_bytes()[:-8])
    again = kt.CachedDataset(toy, data, "late", cache=kt.Cache("disk"), verbose=0)
    for (ours, _), (theirs, _) in zip(first, again.validation, strict=True):
        assert np.array_equal(ours, theirs)


def test_an_entry_that_is_whole_is_never_taken_away_by_another_writer(tmp_path):
    """Four writers of the same entry at once, again and again: each finds a whole one when it is done."""
    missed, every = [], Barrier(4)

    def write(key):
        every.wait()
        with ExitStack() as stack:
            folder = stack.enter_context(new_entry(tmp_path, key, {"about": "the same from all", "arrays": 1}))
            writer = stack.enter_context(closing(DiskWriter(folder / "0.npy", 2, (3,), "float32")))
            writer.append(np.zeros((2, 3), np.float32))
        if open_entry(tmp_path, key) is None:
            missed.append(key)

    for trial in range(150):
        threads = [Thread(target=write, args=(f"entry{trial}",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert missed == []
    assert len(list(tmp_path.iterdir())) == 150 == len(entries(tmp_path)), "nothing half written is left"


def write_entry(folder, key="entry") -> None:
    with ExitStack() as stack:
        new = stack.enter_context(new_entry(folder, key, {"about": "three rows", "arrays": 1}))
        writer = stack.enter_context(closing(DiskWriter(new / "0.npy", 3, (2,), "float32")))
        writer.append(np.ones((3, 2), np.float32))


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_an_entry_has_the_permissions_that_the_umask_asks_for(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_entry(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "entry").stat().st_mode & 0o777 == mode
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "entry").iterdir()} == {mode & 0o666}


def test_an_entry_that_may_be_read_but_not_touched_is_used(tmp_path, monkeypatch):
    """As another user's in a shared folder: the time of the last use is theirs to set."""
    write_entry(tmp_path)

    def forbidden(path, *_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "utime", forbidden)
    (array,) = open_entry(tmp_path, "entry")
    assert np.array_equal(array.read(np.array([2])), np.ones((1, 2)))


@pytest.fixture
def unreadable(monkeypatch):
    """Makes arrays that are there unreadable, for any user: the tests may run as root."""
    read = DiskArray.__init__

    def forbidden(self, path):
        if path.exists():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        read(self, path)

    monkeypatch.setattr(DiskArray, "__init__", forbidden)


def test_an_entry_that_may_not_be_read_stays_where_it_is(tmp_path, unreadable):
    with pytest.raises(kt.DiskError, match="may be read.*Permission denied.*Ask their owner"):
        write_entry(tmp_path)  # is another's as soon as it is there
        open_entry(tmp_path, "entry")
    inode = (tmp_path / "entry").stat().st_ino
    with pytest.raises(kt.DiskError, match="may be read"):
        write_entry(tmp_path)
    assert [(path.name, path.stat().st_ino) for path in tmp_path.iterdir()] == [("entry", inode)]


def test_training_goes_on_without_activations_that_may_not_be_read_and_says_so(toy, data, own_folder, request):
    kt.CachedDataset(toy, data, cache=kt.Cache("disk"), verbose=0)
    before = {path.name: path.stat().st_ino for path in own_folder.iterdir()}
    request.getfixturevalue("unreadable")
    with pytest.warns(kt.DataWarning, match="The activation cache is not used.*Permission denied"):
        kt.fine_tune(toy, data, schedule=(kt.Phase(1, "head", 1e-2),), cache="disk", verbose=0)
    assert {path.name: path.stat().st_ino for path in own_folder.iterdir()} == before


def test_clearing_names_only_what_is_gone(tmp_path, monkeypatch):
    write_entry(tmp_path, "ours")
    write_entry(tmp_path, "theirs")
    remove = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path, **options: path.name == "theirs" or remove(path, **options))
    assert [entry.path.name for entry in clear(tmp_path)] == ["ours"]


class MemoryInUse:
    """Counts the bytes of all arrays in memory, whenever a new one is made."""

    def __init__(self, monkeypatch):
        self.arrays, self.most = weakref.WeakSet(), 0
        make = MemoryArray.__init__

        def spy(array, *arguments):
            make(array, *arguments)
            self.arrays.add(array)
            self.most = max(self.most, self.now)

        monkeypatch.setattr(MemoryArray, "__init__", spy)

    @property
    def now(self) -> int:
        return sum(array._values.nbytes for array in self.arrays)


@pytest.fixture
def uncollected():
    """Keeps the garbage collector still, so that what is let go of is gone at once, or not at all."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_activations_of_a_phase_are_gone_before_those_of_the_next_are_computed(data, monkeypatch, uncollected):
    """Three cuts that do not fit together: never more than the limit, and nothing at the end."""
    limit = 30 * 8 * 16 * 16 * 4
    memory = MemoryInUse(monkeypatch)
    train(data, kt.Cache("memory", limit=limit), schedule=(*PHASES, kt.Phase(1, ("middle", "late", "head"), 1e-3)))
    assert 0.9 * limit < memory.most <= limit
    assert not memory.arrays


@pytest.mark.slow
def test_activations_of_two_domains_are_gone_before_the_next_are_computed(data, monkeypatch, uncollected):
    limit = 30 * 8 * 16 * 16 * 4
    target = dataclasses.replace(data, splits={"train": data.splits["train"], "validation": data.splits["validation"]})
    memory = MemoryInUse(monkeypatch)
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    monkeypatch.setattr("keras_transfer.adaptation.domain_checks._check_apart", lambda *_: None)
    kt.adapt(model, data, target, schedule=PHASES, cache=kt.Cache("memory", limit=limit), verbose=0)
    assert 0.9 * limit < memory.most <= 2 * limit, "the limit is that of each domain"
    assert not memory.arrays


def test_activations_go_with_the_batches_that_are_made_of_them(toy, data, monkeypatch, uncollected):
    """TensorFlow keeps every Python function that a dataset calls; it must not keep the activations."""
    memory = MemoryInUse(monkeypatch)
    batches = kt.CachedDataset(toy, data, verbose=0).train.take(2)
    assert memory.now and len(list(batches)) == 2, "they are held by what is made of them"
    found = iter(batches)
    del batches
    assert next(found)[0].shape == (8, 16) and memory.now, "and by an iterator"
    del found
    assert not memory.now
    cached = kt.CachedDataset(toy, data, cache=kt.Cache("disk"), verbose=0)
    files = weakref.WeakSet(cached.train.held.arrays)
    assert files
    del cached
    assert not files, "files are closed"


def extract(pictures, folder, kill_after):
    """Fills the cache in a process of its own, which dies after some batches."""
    keras.utils.set_random_seed(0)
    if kill_after is not None:
        append, calls = DiskWriter.append, []

        def die(self, rows):
            calls.append(1)
            if len(calls) > kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            append(self, rows)

        DiskWriter.append = die
    data = kt.data.from_directory(pictures, image_size=32, batch_size=8)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    kt.CachedDataset(model, data, "late", cache=kt.Cache("disk", folder), verbose=0)


@pytest.mark.slow
def test_killed_and_concurrent_extractions_leave_whole_entries(pictures, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "keras"])
    killed = context.Process(target=extract, args=(pictures, tmp_path / "shared", 1))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    assert entries(tmp_path / "shared") == [] and list((tmp_path / "shared").iterdir())
    several = [context.Process(target=extract, args=(pictures, tmp_path / "shared", None)) for _ in range(2)]
    for process in several:
        process.start()
    for process in several:
        process.join(120)
        assert process.exitcode == 0
    assert len(entries(tmp_path / "shared")) == 2 == len(list((tmp_path / "shared").iterdir())), "train and validation"
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    data = kt.data.from_directory(pictures, image_size=32, batch_size=8)
    before = time.time()
    cached = kt.CachedDataset(model, data, "late", cache=kt.Cache("disk", tmp_path / "shared"), verbose=0)
    assert all(entry.path.stat().st_mtime < before for entry in entries(tmp_path / "shared")), "found, not written"
    expected = kt.split(model, "late")[0].predict(data.validation, verbose=0)
    assert np.allclose(np.concatenate([rows for rows, _ in cached.validation]), expected, atol=1e-5)


@pytest.mark.slow
def test_as_many_views_as_epochs_are_the_training_without_a_cache(arrays):
    results = []
    for cache in (False, kt.Cache("memory", views=5)):
        data = dataclasses.replace(arrays, augment="light")
        results.append(train(data, cache)[0])
    assert difference(*results) <= 1e-5


def test_each_epoch_takes_the_next_view(arrays):
    data = dataclasses.replace(arrays, batch_size=24, augment="light")
    data.start_epoch(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    cached = kt.CachedDataset(model, data, "middle", cache=kt.Cache("memory", views=2), verbose=0)
    sums = [np.sort(np.concatenate([rows.numpy().sum((1, 2, 3)) for rows, _ in cached.train])) for _ in range(4)]
    assert np.array_equal(sums[0], sums[2]) and np.array_equal(sums[1], sums[3]) and not np.allclose(sums[0], sums[1])


def test_without_views_augmented_images_are_not_cached_and_that_is_said(arrays, toy, capsys):
    data = dataclasses.replace(arrays, augment="light")
    kt.fine_tune(toy, data, schedule=PHASES, verbose=2)
    assert "cache: off, since images are augmented anew in every epoch" in capsys.readouterr().out
    with pytest.raises(kt.InputError, match=r"Cache\(views=...\)"):
        kt.CachedDataset(toy, data)


def test_a_cached_dataset_trains_the_whole_model_in_a_fit_of_ones_own(toy, data):
    kt.set_trainable(toy, "head")
    cached = kt.CachedDataset(toy, data, verbose=0)
    assert cached.test is None and int(cached.train.cardinality()) == int(data.train.cardinality())
    cached.model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"])
    cached.model.fit(cached.train, validation_data=cached.validation, epochs=20, verbose=0, shuffle=False)
    toy.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    whole = toy.evaluate(data.validation, verbose=0)
    assert whole == pytest.approx(cached.model.evaluate(cached.validation, verbose=0), abs=1e-5)
    assert whole[1] > 0.6


def test_features_for_numpy(toy, data):
    features, labels = kt.extract_features(toy, data.validation, verbose=0)
    assert features.dtype == "float32" and features.shape == (6, 16)
    assert np.array_equal(labels, data.splits["validation"].labels)
    expected = kt.split(toy, "features")[0].predict(data.validation, verbose=0)
    assert np.allclose(features, expected, atol=1e-5)
    assert len(kt.extract_features(toy, data, "late", verbose=0)[0]) == 24
    with pytest.raises(kt.InputError, match="Did you mean 'late'"):
        kt.extract_features(toy, data, "lat")
    with pytest.raises(kt.InputError, match="a dataset without any"):
        kt.extract_features(toy, data.train.take(0), verbose=0)


@pytest.mark.parametrize(
    ("cache", "message"),
    [
        (lambda: kt.Cache("memry"), "Did you mean 'memory'"),
        (lambda: kt.Cache(dtype="float61"), "Did you mean 'float16'"),
        (lambda: kt.Cache(views=-1), "`views` to be a whole number"),
        (lambda: kt.Cache(limit=0), "`limit`"),
        (lambda: "dsk", "Did you mean 'disk'"),
        (lambda: True, "'auto', 'memory', 'disk'], or a Cache, or False"),
    ],
)
def test_wrong_settings_are_refused(toy, data, cache, message):
    with pytest.raises(kt.InputError, match=message):
        kt.fine_tune(toy, data, cache=cache(), verbose=0)


def test_what_enters_several_stages_is_one_vector(toy, data):
    names = ("middle", "late", "features")
    found, labels = kt.extract_features(toy, data, at=names, verbose=0)
    each = [kt.extract_features(toy, data, at=name, verbose=0)[0] for name in names]
    expected = np.concatenate([part.mean(axis=(1, 2)) if part.ndim == 4 else part for part in each], axis=1)
    assert np.allclose(found, expected, atol=1e-5) and len(labels) == len(found)
    with pytest.raises(kt.InputError, match="stage"):
        kt.extract_features(toy, data, at=("middle", "block9"), verbose=0)
    with pytest.raises(kt.InputError, match="empty"):
        kt.extract_features(toy, data, at=(), verbose=0)
