"""SharedCache: activations in memory that outlive one training, for the next one from the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from keras_transfer.caching.arrays import DiskArray, MemoryArray
from keras_transfer.caching.settings import Cache
from keras_transfer.data.labelled_data import LabelledData

Kept = dict[str, Sequence[MemoryArray | DiskArray]]


@dataclass(frozen=True)
class SharedCache(Cache):
    """Settings of a cache, with the activations of the latest training that used it.

    It holds no more than that training did: what the next one does not ask for is dropped before anything else is
    computed. On disk activations are shared anyway.

    Attributes:
        budget: bytes that each data set may take in memory, measured once for all trainings.
        kept: activations by their key (see `key_of`), for each data set.
    """

    budget: int = 0
    kept: dict[int, Kept] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, cache: Cache) -> SharedCache:
        """Returns a shared cache with the settings of another."""
        settings: dict[str, Any] = {each.name: getattr(cache, each.name) for each in fields(Cache)}
        return cls(**settings, budget=cache.memory_budget())

    def memory_budget(self) -> int:
        """Returns the bytes that the activations of a data set may take in memory."""
        return self.budget

    def kept_of(self, data: LabelledData) -> Kept:
        """Returns the activations of the images of a data set, whatever its labels, by key; it may be changed."""
        return self.kept.setdefault(id(data.splits["train"].items), {})
