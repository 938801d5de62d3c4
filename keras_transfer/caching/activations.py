"""Activations: what frozen parts of a model give for the images of a data set, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._logging import say
from keras_transfer.caching.arrays import DiskArray, DiskWriter, MemoryArray
from keras_transfer.caching.cuts import in_order
from keras_transfer.caching.engine_record import recalled, remember
from keras_transfer.caching.folder import new_entry, open_entry
from keras_transfer.caching.identity import key_of
from keras_transfer.caching.settings import Cache
from keras_transfer.caching.sharing import Kept, SharedCache
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.engines import ENGINES, Chosen, Run, choose
from keras_transfer.engines.choosing import TENSORFLOW
from keras_transfer.models.stages import split as split_model

Arrays = Sequence[MemoryArray | DiskArray]
_FEW = 200  # images for which no other engine than TensorFlow is compiled


class Activations:
    """Activations at several cuts of one model, for the splits of a data set.

    Args:
        model: a model made by `build_model`, whose layers before the cuts stay as they are.
        data: images.
        cuts: where, as in `split`; those that fit are computed in one pass.
        cache: where they are kept.
        splits: those that will be asked for.
        verbose: 0 for no progress bar.

    Attributes:
        cuts: from the input to the output.
        views: rows for each training image.
    """

    def __init__(
        self,
        model: keras.Model,
        data: LabelledData,
        cuts: Sequence[str],
        cache: Cache,
        splits: Sequence[str],
        verbose: str | int = "auto",
    ):
        self._data, self._cache, self._verbose = data, cache, verbose
        self._name = model.name
        self._splits = [name for name in splits if name in data.splits]
        self.cuts = in_order(model, set(cuts))
        self._prefixes = {cut: split_model(model, cut)[0] for cut in self.cuts}
        self._budgets = {"memory": cache.memory_budget(), "disk": cache.disk_budget()}
        self._held: dict[tuple[str, str], Arrays] = {}
        self._runs: dict[tuple[str, ...], Run] = {}
        self.views = max(cache.views, 1)

    def at(self, cut: str) -> dict[str, Arrays]:
        """Returns arrays by split: one for each tensor that crosses the cut, rows in the order of the examples.

        Training rows of the second view follow those of the first, and so on.

        Raises:
            InputError: if a file of the data has become unreadable, or activations that are there may not be read.
            OSError: if they cannot be written. Nothing half written is left.
            MemoryError: if they fit nowhere.
        """
        if any((cut, split) not in self._held for split in self._splits):
            together = self.cuts if self.place(self.cuts) else [cut]
            place = self.place(together)
            if place is None:
                raise MemoryError(f"the activations at {cut!r} take {self.size([cut]):,} bytes, more than the limit")
            self._held.clear()
            if place == "memory" and isinstance(self._cache, SharedCache):
                self._share(together, self._cache.kept_of(self._data))
            else:
                self._compute_all(together, place)
        return {split: self._held[cut, split] for split in self._splits}

    def place(self, cuts: Sequence[str]) -> str | None:
        """Returns "memory" or "disk", where the activations at these cuts fit together, or None."""
        return next((place for place, budget in self._budgets.items() if self.size(cuts) <= budget), None)

    def size(self, cuts: Sequence[str]) -> int:
        """Returns the bytes that activations at these cuts take."""
        values = sum(int(np.prod(shape)) for cut in cuts for shape in self._shapes(cut))
        return sum(map(self._rows, self._splits)) * values * np.dtype(self._cache.dtype).itemsize

    def _shapes(self, cut: str) -> list[tuple[int, ...]]:
        """Returns the shapes of the tensors that cross a cut, for one image of the data."""
        prefix = self._prefixes[cut]
        shapes = [tensor.shape for tensor in prefix.outputs]
        if any(None in shape[1:] for shape in shapes):  # a model for images of any size
            found = prefix.compute_output_shape((None, *self._data.kind.spec.shape))
            shapes = [found] if len(shapes) == 1 else list(found)
        return [tuple(shape[1:]) for shape in shapes]

    def _rows(self, split: str) -> int:
        return len(self._data.splits[split]) * (self.views if split == "train" else 1)

    def _share(self, cuts: Sequence[str], kept: Kept) -> None:
        """Takes what an earlier training has kept in memory; computes and keeps it where anything is missing."""
        keys = {(cut, split): self._key(cut, split) for cut in cuts for split in self._splits}
        if not set(keys.values()) <= set(kept):
            kept.clear()  # first: both together would take more than the limit
            self._compute_all(cuts, "memory")
            keys = {(cut, split): self._key(cut, split) for cut, split in keys}  # another engine may have computed
            kept.update({key: self._held[place] for place, key in keys.items()})
        self._held.update({place: kept[key] for place, key in keys.items()})

    def _key(self, cut: str, split: str) -> str:
        views = self._cache.views if split == "train" else 0
        return key_of(self._prefixes[cut], self._data, split, views, self._cache.dtype, self.engine)

    def _compute_all(self, cuts: Sequence[str], place: str) -> None:
        for split in self._splits:
            self._compute(split, cuts, place)

    def _compute(self, split: str, cuts: Sequence[str], place: str) -> None:
        """Runs the images of a split through the network once, for several cuts."""
        rows = self._rows(split)
        shapes = {cut: self._shapes(cut) for cut in cuts}
        if place == "memory":
            self._prepare(tuple(cuts))
            held = {cut: [MemoryArray(rows, shape, self._cache.dtype) for shape in shapes[cut]] for cut in cuts}
            self._run(split, held)
            self._held.update({(cut, split): arrays for cut, arrays in held.items()})
            return
        folder, engine = self._cache.path, self.engine
        keys = {cut: self._key(cut, split) for cut in cuts}
        missing = [cut for cut in cuts if open_entry(folder, keys[cut]) is None]
        if missing:
            self._prepare(tuple(missing))
        if self.engine != engine:
            self._compute(split, cuts, place)
            return
        with ExitStack() as stack:
            writers: dict[str, list[DiskWriter]] = {}
            for cut in missing:
                about = f"{self._name} up to {cut}, {rows} images ({split})"
                new = stack.enter_context(new_entry(folder, keys[cut], {"about": about, "arrays": len(shapes[cut])}))
                paths = [new / f"{index}.npy" for index in range(len(shapes[cut]))]
                writers[cut] = [
                    stack.enter_context(closing(DiskWriter(path, rows, shape, self._cache.dtype)))
                    for path, shape in zip(paths, shapes[cut], strict=True)
                ]
            if missing:
                self._run(split, writers)
        for cut, key in keys.items():
            arrays = open_entry(folder, key)
            if arrays is None:
                raise OSError(f"{str(folder / key)!r} was deleted as soon as it was written")
            self._held[cut, split] = arrays

    def _prefix(self, cuts: Sequence[str]) -> keras.Model:
        """Returns the model from the images to the tensors that cross several cuts."""
        return keras.Model(
            self._prefixes[cuts[-1]].inputs, [tensor for cut in cuts for tensor in self._prefixes[cut].outputs]
        )

    @cached_property
    def engine(self) -> str:
        """Name of the engine that computes."""
        if self._cache.engine != "auto":
            return self._cache.engine
        images = sum(map(self._rows, self._splits))
        if images < _FEW:
            return TENSORFLOW
        prefix = self._prefix(self.cuts)
        known = recalled(self._cache.path, prefix)
        if known is not None:
            return known  # it is compiled where something is to be computed
        chosen = choose(prefix, self._sample(), images)
        self._runs[tuple(self.cuts)] = chosen.run
        remember(self._cache.path, prefix, chosen)
        self._say_chosen(chosen)
        return chosen.name

    def _say_chosen(self, chosen: Chosen) -> None:
        if self._verbose:
            say(f"cache: computed by {chosen.name}, {chosen.why}")

    def _sample(self) -> np.ndarray:
        """Returns a batch of images, as the engine will get them."""
        with self._data.naming_bad_files("train"):
            return next(iter(self._data.in_order("train")))[0].numpy()

    def _prepare(self, cuts: tuple[str, ...]) -> None:
        """Compiles what computes the activations at some cuts; where the engine no longer fits, it is TensorFlow."""
        engine = self.engine  # the choice may have compiled it
        if cuts in self._runs:
            return
        prefix = self._prefix(cuts)
        if engine != TENSORFLOW:
            try:
                chosen = choose(prefix, self._sample(), 0, engine)
                self._runs[cuts] = chosen.run
                self._say_chosen(chosen)
                return
            except InputError as error:  # with these weights, what was chosen earlier gives other numbers
                if self._cache.engine != "auto":
                    raise
                say(f"cache: computed by {TENSORFLOW}; {error}")
                self.engine = TENSORFLOW
        self._runs[cuts] = ENGINES.find(TENSORFLOW).compile(prefix)

    def _run(self, split: str, writers: Mapping[str, Sequence[MemoryArray | DiskWriter]]) -> None:
        run = self._runs[tuple(writers)]
        flat = [array for arrays in writers.values() for array in arrays]
        verbose = 1 if self._verbose == "auto" else self._verbose
        progress = keras.utils.Progbar(self._rows(split), verbose=verbose, unit_name="image")
        done = 0
        for view in range(self._rows(split) // len(self._data.splits[split])):
            epoch = view if split == "train" and self._cache.views else None
            with self._data.naming_bad_files(split):
                for images, _ in self._data.in_order(split, epoch=epoch):
                    for array, values in zip(flat, run(images.numpy()), strict=True):
                        array.append(values)
                    done += len(images)
                    progress.update(done)
