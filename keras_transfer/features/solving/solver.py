"""A solver for convex losses of linear outputs: L-BFGS, preconditioned by the principal components of the features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from keras_transfer.features.solving.objectives import Objective

Blocks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]]  # features, labels and weights of some rows
_WIDEST = 2500  # features or rows up to which their principal components take seconds
_SMALL = 1e-7  # share of the largest variance below which a direction is rounding
_LEAST = 1e-4  # curvature that is assumed of an output that is sure everywhere


@dataclass(frozen=True)
class Directions:
    """Orthogonal directions in the space of scaled features, along which they are not correlated.

    Attributes:
        basis: float32 `(features, directions)`; None for the features themselves.
        variances: along each direction, float64.
    """

    basis: np.ndarray | None
    variances: np.ndarray

    @classmethod
    def of_rows(cls, features: np.ndarray) -> Directions:
        """Finds the principal components of rows of scaled features.

        The penalty is the same in any orthogonal basis, and the weights of the smallest penalty have no part in
        directions in which the rows do not differ, so that nothing is lost where there are fewer rows than features.
        """
        rows, width = features.shape
        if min(rows, width) > _WIDEST:
            return cls.unknown(width)
        if rows < width:
            values = features.astype(np.float64)
            spread, left = np.linalg.eigh(values @ values.T)
            kept = spread > spread[-1] * _SMALL
            basis = values.T @ (left[:, kept] / np.sqrt(spread[kept]))
            return cls(basis.astype(np.float32), spread[kept] / rows)
        return cls.of_blocks([features], width)

    @classmethod
    def of_blocks(cls, blocks: Iterable[np.ndarray], width: int) -> Directions:
        """Finds the principal components of rows of scaled features that come in blocks."""
        if width > _WIDEST:
            return cls.unknown(width)
        products, rows = np.zeros((width, width), np.float32), 0
        for features in blocks:
            products += features.T @ features
            rows += len(features)
        spread, basis = np.linalg.eigh(products)
        kept = spread > spread[-1] * _SMALL
        return cls(np.ascontiguousarray(basis[:, kept]), spread[kept].astype(np.float64) / rows)

    @classmethod
    def unknown(cls, width: int) -> Directions:
        """Takes the features themselves as directions."""
        return cls(None, np.ones(width))


@dataclass(frozen=True)
class Linear:
    """Linear outputs: `features @ kernel + bias`, float64."""

    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def zero(cls, width: int, outputs: int) -> Linear:
        """Returns outputs that are 0."""
        return cls(np.zeros((width, outputs)), np.zeros(outputs))

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Returns float32 `(rows, outputs)`."""
        found = features @ self.kernel.astype(np.float32)
        found += self.bias.astype(np.float32)
        return found

    def times(self, basis: np.ndarray | None) -> Linear:
        """Returns the same outputs of the features that a basis leads to."""
        return self if basis is None else Linear(basis @ self.kernel.astype(np.float32), self.bias)


@dataclass(frozen=True)
class Problem:
    """Linear outputs with the smallest loss on rows, plus a penalty.

    Attributes:
        blocks: gives all rows in blocks, as often as it is called; the weights sum to 1.
        objective: the loss of a row.
        variances: of the features, in the directions that `basis` names.
        basis: the directions, if the features are not given along them.
        biased: whether the outputs have a bias, which has no penalty.
    """

    blocks: Blocks
    objective: Objective
    variances: np.ndarray
    basis: np.ndarray | None = None
    biased: bool = True

    def solve(self, penalty: float, start: Linear, *, tolerance: float = 1e-12, steps: int = 500) -> Linear:
        """Minimises the weighted mean loss plus `penalty / 2` times the sum of all squared weights.

        In units in which the second derivatives are 1 on average over the rows, after Nocedal and Wright, "Numerical
        Optimization" (2006), section 5.1, L-BFGS needs few steps, whatever the penalty is.

        Args:
            penalty: above 0.
            start: along the directions; the nearer, the fewer steps.
            tolerance: that a step must gain.
            steps: at most.
        """
        from scipy.optimize import minimize

        curvature = np.maximum(self._curvature(start), _LEAST)
        unit = 1 / np.sqrt(np.outer(self.variances, curvature) + penalty)
        bias_unit = 1 / np.sqrt(curvature) if self.biased else np.zeros_like(curvature)
        width = len(unit)

        def linear(point: np.ndarray) -> Linear:
            parts = point.reshape(width + 1, -1)
            return Linear(parts[:width] * unit, parts[width] * bias_unit)

        def value(point: np.ndarray) -> tuple[float, np.ndarray]:
            here = linear(point)
            loss, kernel, bias = self._slopes(here)
            loss += penalty / 2 * float(np.square(here.kernel).sum())
            kernel += penalty * here.kernel
            return loss, np.concatenate([(kernel * unit).ravel(), bias * bias_unit])

        bias = np.divide(start.bias, bias_unit, out=np.zeros_like(start.bias), where=bias_unit > 0)
        first = np.concatenate([(start.kernel / unit).ravel(), bias])
        options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": tolerance, "gtol": 1e-7}
        return linear(minimize(value, first, jac=True, method="L-BFGS-B", options=options).x)

    def loss(self, here: Linear) -> float:
        """Returns the weighted mean loss, without a penalty."""
        return self._slopes(here)[0]

    def _slopes(self, here: Linear) -> tuple[float, np.ndarray, np.ndarray]:
        whole = here.times(self.basis)
        loss, kernel, bias = 0.0, np.zeros(whole.kernel.shape), np.zeros(whole.bias.shape)
        for features, labels, weights in self.blocks():
            losses, slopes = self.objective.slopes(whole.outputs(features), labels)
            slopes *= weights[:, None]
            loss += float(losses @ weights.astype(np.float64))
            kernel += features.T @ slopes
            bias += slopes.sum(axis=0, dtype=np.float64)
        if self.basis is not None:
            kernel = (self.basis.T @ kernel.astype(np.float32)).astype(np.float64)
        return loss, kernel, bias

    def _curvature(self, here: Linear) -> np.ndarray:
        """Returns the weighted mean of the second derivatives by each output, over some of the rows."""
        features, _, weights = next(iter(self.blocks()))
        found = self.objective.curvatures(here.times(self.basis).outputs(features))
        return (weights @ found).astype(np.float64) / max(float(weights.sum()), 1e-12)
