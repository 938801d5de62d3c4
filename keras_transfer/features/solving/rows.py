"""Rows: features of examples with their labels and weights, read in blocks, from memory or from a disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from keras_transfer._checks import DataError

_VALUES = 2**23  # in a block: 32 MB
_ALIKE = 0.3  # standard deviation of the decimal logarithms of deviations of one size


class Source(Protocol):
    """Rows of numbers, such as a cache holds."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows as float32."""


@dataclass(frozen=True, eq=False)
class AtPlaces:
    """Rows of a source that has several of each example, such as one for each token of a text.

    Attributes:
        source: of examples, float32 `(places, features)` each.
        example: number of the example of each row, int64 `(rows,)`.
        place: of each row within its example, int64 `(rows,)`.
    """

    source: Source
    example: np.ndarray
    place: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.source.shape[-1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows as float32."""
        examples, which = np.unique(self.example[indices], return_inverse=True)
        return self.source.read(examples)[which, self.place[indices]]


@dataclass(frozen=True)
class Scaling:
    """What makes features alike: their mean is taken off, and they are multiplied by a factor.

    Attributes:
        mean: float64 `(features,)`.
        factor: by which a feature is multiplied, float64 `(features,)`; 0 for a constant one.
    """

    mean: np.ndarray
    factor: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Returns scaled rows, float32."""
        found = features - self.mean.astype(np.float32)
        found *= self.factor.astype(np.float32)
        return found


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each feature, float64 `(features,)`. The deviation of a constant one is 0."""

    mean: np.ndarray
    deviation: np.ndarray

    @property
    def alike(self) -> bool:
        """Whether the deviations are of one size, so that it matters little by which power of them is divided."""
        varying = self.deviation[self.deviation > 0]
        return not len(varying) or float(np.log10(varying).std()) < _ALIKE

    def scaling(self, power: float) -> Scaling:
        """Returns the scaling that divides by a power of the deviation, and gives variances of 1 on average.

        The power 1 standardises: rare and noisy features count as much as others. The power 1/2 is Pareto scaling,
        halfway to features as they are: van den Berg et al., "Centering, scaling, and transformations" (BMC Genomics
        7:142, 2006), table 1. Constant features become 0.
        """
        varying = self.deviation > 0
        factor = np.zeros_like(self.deviation)
        factor[varying] = self.deviation[varying] ** -power
        size = np.sqrt(np.square(factor * self.deviation)[varying].mean()) if varying.any() else 1.0
        return Scaling(self.mean, factor / size)


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of examples, with one row for each view of an example: first those of the first view of all.

    Attributes:
        source: of the features, float32.
        labels: of each example, in the form that an objective takes.
        weights: of each example in the loss, float32.
        strata: class of each example, of which each fold of a cross-validation shall have its share; None where all
            are alike.
        groups: number of each example's group, which stays on one side; None where each stands for itself.
        views: rows of an example.
    """

    source: Source
    labels: np.ndarray
    weights: np.ndarray
    strata: np.ndarray | None = None
    groups: np.ndarray | None = None
    views: int = 1

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.labels)

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.source.shape[0])

    def __len__(self) -> int:
        return self.examples * self.views

    def rows_of(self, examples: np.ndarray) -> np.ndarray:
        """Returns the indices of all rows of these examples."""
        return np.concatenate([examples + view * self.examples for view in range(self.views)])

    def take(self, examples: np.ndarray) -> Rows:
        """Returns the rows of these examples, in memory."""
        groups, strata = (None if part is None else part[examples] for part in (self.groups, self.strata))
        held = Held(self.source.read(self.rows_of(examples)))
        return replace(
            self,
            source=held,
            labels=self.labels[examples],
            weights=self.weights[examples],
            strata=strata,
            groups=groups,
        )

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yields features, labels and weights of some rows after others."""
        step = max(_VALUES // self.width, 1)
        for start in range(0, len(self), step):
            rows = np.arange(start, min(start + step, len(self)))
            example = rows % self.examples
            yield self.source.read(rows), self.labels[example], self.weights[example]

    def moments(self, *, centred: bool = True) -> Moments:
        """Finds mean and deviation of the features, in one pass.

        Args:
            centred: False to deviate from 0 in place of the mean: without a bias nothing may be taken off.

        Raises:
            DataError: if a feature is not a finite number.
        """
        count, mean, spread = 0, np.zeros(self.width), np.zeros(self.width)
        for features, _, _ in self.blocks():
            own = features.mean(axis=0, dtype=np.float64)
            if not np.isfinite(own).all():
                row, place = np.argwhere(~np.isfinite(features))[0]
                raise DataError(
                    f"Expected features that are finite numbers. Received: {features[row, place]} as feature {place} "
                    f"of image {(count + row) % self.examples}, counted from 0. Are the weights of the network whole?"
                )
            # of two parts: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983), eq. 2.1
            both = count + len(features)
            spread += features.var(axis=0, dtype=np.float64) * len(features)
            spread += np.square(own - mean) * count * len(features) / both
            mean += (own - mean) * len(features) / both
            count = both
        if not centred:
            spread, mean = spread + np.square(mean) * count, np.zeros(self.width)
        deviation = np.sqrt(spread / count)
        constant = deviation <= 1e-6 * np.abs(mean)  # as far as float32 can tell
        return Moments(mean, np.where(constant, 0.0, deviation))


@dataclass(frozen=True)
class Held:
    """Rows in memory, float32 `(rows, features)`."""

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.values.shape[1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows."""
        return self.values[indices]
