"""Examples: what one split holds, before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keras_transfer.tasks import Task, task_of_labels


@dataclass(frozen=True, eq=False)
class Examples:
    """What one split holds, before anything is decoded.

    Attributes:
        items: `(count,)` paths of files or their bytes, or images `(count, height, width, 3)` in [0, 255].
        labels: `(count,)` integers; `(count, num_classes)` of 0 and 1 for several labels an image; or float32
            `(count, targets)` for regression.
        encoded: the items are bytes of files, not their paths.
        groups: int64 `(count,)` of what must not be on both sides of a split; None if each image stands for itself.
    """

    items: np.ndarray
    labels: np.ndarray
    encoded: bool = False
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def task(self) -> Task:
        """The task that the labels are of."""
        return task_of_labels(self.labels)

    @property
    def in_files(self) -> bool:
        """Whether the items are paths of files."""
        return self.items.dtype.kind not in "iuf" and not self.encoded

    def take(self, indices: np.ndarray) -> Examples:
        """Returns the examples at these indices."""
        groups = None if self.groups is None else self.groups[indices]
        return replace(self, items=self.items[indices], labels=self.labels[indices], groups=groups)
