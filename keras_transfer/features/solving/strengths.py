"""The strength of the penalty, chosen by cross-validation along a path from strong to weak."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from keras_transfer.features.solving.objectives import Objective
from keras_transfer.features.solving.solver import Linear, Problem

GRID = tuple(float(f"{10 ** (exponent / 2):.3g}") for exponent in range(-9, 5))  # of C, two for each power of ten
UNCHECKED = 0.1  # C where there is nothing to check it by
_FIRST = GRID.index(0.001)
_WORSE = 2  # strengths without a smaller loss after which the path ends
ROUGHLY = 1e-6  # of loss that a step gains at least, where solutions are only compared or are a start


@dataclass(frozen=True)
class Candidate:
    """A strength that was tried.

    Attributes:
        C: inverse of the penalty, as in scikit-learn's LogisticRegression; 1 / alpha of its Ridge.
        loss: mean on rows that were held out.
        deviation: standard deviation of the loss over the folds.
        accuracy: share of rows held out that were right, in [0, 1]; None for values.
    """

    C: float
    loss: float
    deviation: float
    accuracy: float | None


@dataclass(frozen=True)
class Fold:
    """A part of the rows to learn from, and another to check by, as indices."""

    learn: np.ndarray
    check: np.ndarray


@dataclass(frozen=True)
class Compact:
    """Rows in memory along their principal components.

    Attributes:
        features: float32 `(rows, directions)`.
        labels: one for each row.
        weights: of each row, float32.
        variances: along each direction.
        objective: the loss.
        biased: whether outputs have a bias.
    """

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    variances: np.ndarray
    objective: Objective
    biased: bool

    def problem(self, rows: np.ndarray | slice = slice(None)) -> Problem:
        """Returns the problem of some of the rows."""
        weights = self.weights[rows] / np.float32(self._total(rows))
        block = (self.features[rows], self.labels[rows], weights)
        return Problem(lambda: [block], self.objective, self.variances, biased=self.biased)

    def penalty(self, strength: float, rows: np.ndarray | slice = slice(None)) -> float:
        """Returns the penalty beside the weighted mean loss of some rows."""
        return 1 / (strength * self._total(rows))

    def _total(self, rows: np.ndarray | slice) -> float:
        return max(float(self.weights[rows].sum(dtype=np.float64)), 1e-12)  # all of them may weigh nothing


def path_of(rows: Compact, folds: Sequence[Fold], outputs: int) -> list[Candidate]:
    """Tries strengths from strong to weak, each from the solution of the one before, until the loss rises.

    Returns:
        The candidates in rising order of C.
    """
    zero = Linear.zero(rows.features.shape[1], outputs)
    at: list[Linear] = [zero] * len(folds)
    found: dict[float, Candidate] = {}
    with _threads(folds) as threads:
        for step in (1, -1):  # to weaker penalties, then to stronger ones if the first was the best
            grid = GRID[_FIRST:] if step == 1 else GRID[:_FIRST][::-1]
            if step == -1 and _best(found) != GRID[_FIRST]:
                break
            worse, at = 0, [zero] * len(folds)
            for strength in grid:
                best = _best(found)
                found[strength], at = _attempt(rows, folds, strength, at, threads)
                worse = 0 if best != _best(found) else worse + 1
                if worse == _WORSE:
                    break
    return [found[strength] for strength in sorted(found)]


def near(rows: Compact, folds: Sequence[Fold], outputs: int, strength: float) -> list[Candidate]:
    """Tries a strength of the grid and its neighbours. Returns the candidates in rising order of C."""
    place = GRID.index(strength)
    at = [Linear.zero(rows.features.shape[1], outputs)] * len(folds)
    found = []
    with _threads(folds) as threads:
        for tried in GRID[max(place - 1, 0) : place + 2]:
            candidate, at = _attempt(rows, folds, tried, at, threads)
            found.append(candidate)
    return found


def best_of(candidates: Iterable[Candidate]) -> Candidate:
    """Returns the candidate with the smallest loss."""
    return min(candidates, key=lambda candidate: candidate.loss)


@contextmanager
def _threads(folds: Sequence[Fold]) -> Iterator[Executor]:
    """Lends a thread for each fold. BLAS has one in each: more would wait for each other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(os.cpu_count() or 1, len(folds))) as threads:
        yield threads


def _attempt(
    rows: Compact, folds: Sequence[Fold], strength: float, starts: Sequence[Linear], threads: Executor
) -> tuple[Candidate, list[Linear]]:
    """Solves each fold from its start. Returns how well that does, and the solutions."""
    ends = list(threads.map(lambda fold, start: _fitted(rows, fold, strength, start), folds, starts))
    losses, right = zip(*threads.map(lambda fold, end: _checked(rows, fold, end), folds, ends), strict=True)
    accuracy = None if right[0] is None else float(np.mean(right))
    return Candidate(strength, float(np.mean(losses)), float(np.std(losses)), accuracy), ends


def _best(found: dict[float, Candidate]) -> float | None:
    return best_of(found.values()).C if found else None


def _fitted(rows: Compact, fold: Fold, strength: float, start: Linear) -> Linear:
    return rows.problem(fold.learn).solve(rows.penalty(strength, fold.learn), start, tolerance=ROUGHLY)


def _checked(rows: Compact, fold: Fold, linear: Linear) -> tuple[float, float | None]:
    outputs = linear.outputs(rows.features[fold.check])
    right = rows.objective.right(outputs, rows.labels[fold.check])
    return rows.problem(fold.check).loss(linear), right
