"""solve: the linear head with the smallest loss on rows of features, its penalty chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer._memory import available_memory
from keras_transfer.data.splitting.folds import pairs_of
from keras_transfer.features.solving.objectives import Objective
from keras_transfer.features.solving.rows import Moments, Rows, Scaling
from keras_transfer.features.solving.solver import Directions, Linear, Problem
from keras_transfer.features.solving.strengths import (
    ROUGHLY,
    UNCHECKED,
    Candidate,
    Compact,
    Fold,
    best_of,
    near,
    path_of,
)

PARETO, STANDARDISED = 0.5, 1.0  # power of the deviation by which features are divided; see `Moments.scaling`
FOLDS = 5
_CHECKED = 1_000_000_000  # rows x features x outputs up to which all rows choose the strength: about 20 s on two cores
_EACH = 10  # rows of each class that choose it in any case
_FEW_FOLDS = 300_000_000  # of the same product, up to which all folds are computed, and beyond which two of them
_MEMORY = 0.25  # share of what is free that rows may take
_FINELY = 1e-7  # of loss that a pass over all rows gains at least
_COPIES = 8  # of them: as they are, scaled and along their directions by both scalings, and of the folds


@dataclass(frozen=True)
class Solution:
    """A linear head.

    Attributes:
        kernel: float32 `(features, outputs)`, for the features as they are.
        bias: float32 `(outputs,)`.
        C: inverse of the penalty on the scaled features, as in scikit-learn's LogisticRegression.
        power: of their deviation, by which features were divided: `PARETO` or `STANDARDISED`.
        path: the strengths that were tried, in rising order of C; empty where there was nothing to check them by.
        chosen_by: how it was chosen, in a few words.
    """

    kernel: np.ndarray
    bias: np.ndarray
    C: float
    power: float
    path: tuple[Candidate, ...]
    chosen_by: str


def solve(rows: Rows, objective: Objective, outputs: int, *, biased: bool = True, seed: int = 0) -> Solution:
    """Solves a linear head: the smallest mean loss plus a penalty on the squared weights of scaled features.

    The strength of the penalty has the smallest loss in a cross-validation over the rows, or over a sample of them
    where they are many; the head is then solved anew on all rows. What does not fit in memory is read in blocks.
    Features have Pareto scaling, or are standardised where their sizes differ and that is better beyond doubt.

    Args:
        rows: features and labels.
        objective: the loss.
        outputs: number of outputs.
        biased: whether the outputs have a bias.
        seed: of the folds and of the sample.

    Raises:
        DataError: if a feature is not a finite number, or there is nothing to tell apart.
    """
    if rows.strata is not None and len(np.unique(rows.strata)) < 2:
        raise DataError("Expected images of two classes or more, to solve a head. Received: one class in the training.")
    labels, centre, spread = objective.scaled(rows.labels)
    rows = replace(rows, labels=labels)
    moments = rows.moments(centred=biased)
    chosen = _sample(rows, outputs, seed)
    whole = len(chosen) == rows.examples
    few = rows.take(chosen)
    folds = _folds(few, seed)
    unchecked = len(few) - sum(len(fold.check) for fold in folds)
    folds = folds if min(len(few), rows.width) * len(few) * outputs <= _FEW_FOLDS else folds[:2]
    space, path = _choose(partial(_space, few, moments, objective, biased), folds, outputs, alike=moments.alike)
    best = best_of(path).C if path else UNCHECKED
    compact, scaling = space.rows, space.scaling
    zero = Linear.zero(compact.features.shape[1], outputs)
    linear = compact.problem().solve(compact.penalty(best), zero, tolerance=ROUGHLY)
    if whole:  # once more, with the curvature that is found there
        linear = compact.problem().solve(compact.penalty(best), linear)
    linear = linear.times(space.basis)
    if not whole:
        linear = _refitted(rows, scaling, objective, biased, best, linear)
    kernel = linear.kernel * scaling.factor[:, None]
    bias = linear.bias - scaling.mean @ kernel if biased else linear.bias
    said = f"{len(folds)} folds" + ("" if whole else f" of {len(chosen):,} images")
    if space.power == STANDARDISED:
        said += " with standardised features"
    if unchecked:
        said += f", without {unchecked} of classes that have no other image to learn from"
    return Solution(
        (kernel * spread).astype(np.float32),
        (bias * spread + centre).astype(np.float32),
        best,
        space.power,
        tuple(path),
        f"the smallest loss in {said}"
        if path
        else "nothing: there are no two images, or groups, to check one by the other",
    )


def _sample(rows: Rows, outputs: int, seed: int) -> np.ndarray:
    """Returns the examples that choose the strength, in rising order: all, or a share of each class."""
    each = rows.width * outputs * rows.views
    room = min(int(_MEMORY * available_memory()) // (_COPIES * 4 * rows.width * rows.views), _CHECKED // each)
    room = max(room, _EACH * outputs)
    if rows.examples <= room:
        return np.arange(rows.examples)
    order = np.random.default_rng(seed).permutation(rows.examples)
    if rows.strata is None:
        return np.sort(order[:room])
    # the first of each class, then the second of each, and so on: rare classes whole, others in equal numbers
    strata = rows.strata[order]
    by_class = np.argsort(strata, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(strata[by_class])) + 1]
    rank = np.empty(len(order), np.int64)
    rank[by_class] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return np.sort(order[np.argsort(rank, kind="stable")[:room]])


@dataclass(frozen=True, eq=False)
class _Space:
    """Rows as the penalty sees them: scaled by a power of their deviation, and along their principal components."""

    power: float
    scaling: Scaling
    basis: np.ndarray | None
    rows: Compact


def _space(rows: Rows, moments: Moments, objective: Objective, biased: bool, power: float) -> _Space:
    scaling = moments.scaling(power)
    every = np.arange(len(rows))
    features = scaling.apply(rows.source.read(every))
    directions = Directions.of_rows(features)
    if directions.basis is not None:
        features = features @ directions.basis
    example = every % rows.examples
    labels, weights = rows.labels[example], rows.weights[example]
    compact = Compact(features, labels, weights, directions.variances, objective, biased)
    return _Space(power, scaling, directions.basis, compact)


def _choose(
    space_of: Callable[[float], _Space], folds: list[Fold], outputs: int, *, alike: bool
) -> tuple[_Space, list[Candidate]]:
    """Returns rows with the scaling that suits them, and the strengths that were tried with it.

    Standardised features must be better than Pareto scaling by more than the standard error of its loss: on pictures
    they rarely are, but an important feature may be a thousand times smaller than others.
    """
    pareto = space_of(PARETO)
    path = path_of(pareto.rows, folds, outputs) if folds else []
    if not path or alike:
        return pareto, path
    best = best_of(path)
    standardised = space_of(STANDARDISED)
    near_it = best_of(near(standardised.rows, folds, outputs, best.C))
    if near_it.loss < best.loss - best.deviation / len(folds) ** 0.5:
        return standardised, path_of(standardised.rows, folds, outputs)
    return pareto, path


def _folds(rows: Rows, seed: int) -> list[Fold]:
    """Returns the folds, in which no row is checked whose class has no row to learn from."""
    most = rows.examples if rows.strata is None else int(np.bincount(rows.strata).max())
    if min(most, rows.examples if rows.groups is None else len(np.unique(rows.groups))) < 2:
        return []
    found = []
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of classes with fewer rows than folds
        for learn, check in pairs_of(rows.strata, rows.groups, rows.examples, min(FOLDS, most), seed):
            if rows.strata is not None:
                check = check[np.isin(rows.strata[check], rows.strata[learn])]
            if len(check):
                found.append(Fold(rows.rows_of(learn), rows.rows_of(check)))
    return found


def _refitted(
    rows: Rows, scaling: Scaling, objective: Objective, biased: bool, strength: float, start: Linear
) -> Linear:
    """Solves the head on all rows, read in blocks, from the solution on a sample of them.

    That start is near: some twenty passes lead to a loss that a hundred more lower by less than a thousandth.
    """
    total = float(rows.weights.sum(dtype=np.float64)) * rows.views

    def blocks() -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for features, labels, weights in rows.blocks():
            yield scaling.apply(features), labels, weights / np.float32(total)

    directions = Directions.of_blocks((features for features, *_ in blocks()), rows.width)
    problem = Problem(blocks, objective, directions.variances, directions.basis, biased)
    basis = directions.basis
    along = start if basis is None else Linear(basis.T.astype(np.float64) @ start.kernel, start.bias)
    return problem.solve(1 / (strength * total), along, tolerance=_FINELY).times(basis)
