"""Solving the head of a model from the features of its images, in place of training it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import nodes
from keras_transfer._logging import say
from keras_transfer.caching.activations import Arrays
from keras_transfer.caching.cuts import FEATURES, frozen_cut
from keras_transfer.data.examples import Examples
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.splitting.splits import strata_of
from keras_transfer.features.solving import OBJECTIVES, Candidate, Rows, solve
from keras_transfer.features.solving.means import class_means
from keras_transfer.features.solving.objectives import SoftmaxOfShares
from keras_transfer.features.solving.rows import AtPlaces, Source
from keras_transfer.models.stages import split
from keras_transfer.schedules.parts import HEAD
from keras_transfer.schedules.phases import Phase
from keras_transfer.tasks import UNKNOWN
from keras_transfer.training.options import Options
from keras_transfer.training.segments import SolvedSegment
from keras_transfer.training.unfreezing import UnfreezeSchedule

_SHOWN = 6  # names of layers in a message
_ROWS = 1024  # that are evaluated at once
_IDLE = (keras.layers.Dropout, keras.layers.Identity, keras.layers.InputLayer)  # that change nothing in inference
_COSINE = (keras.layers.UnitNormalization, keras.layers.Dense, keras.layers.Rescaling)


class TrainedAndSolvedPhases(UnfreezeSchedule):
    """A schedule in which phases may solve the head, as `fine_tune` runs it."""

    def _check_trained(self, phases: Sequence[Phase]) -> None:
        pass


class Solved(keras.callbacks.Callback):
    """Keeps what was found out when the head was solved, also for a run that goes on later.

    Attributes:
        path: the strengths that were tried, each as a dictionary; see `fine_tune`.
    """

    memory = ("path",)

    def __init__(self) -> None:
        super().__init__()
        self.path: list[dict[str, Any]] = []

    def keep(self, path: Sequence[Candidate], chosen: float) -> None:
        """Keeps the candidates, and which was chosen."""
        self.path = [{**vars(candidate), "chosen": chosen == candidate.C} for candidate in path]


def check_solves(
    model: keras.Model, phases: Sequence[Phase], options: Options, log_priors: np.ndarray | None = None
) -> None:
    """Checks that the head can be solved, if a phase does so, and for the loss that is asked for.

    Args:
        model: the whole.
        phases: of the schedule.
        options: of the training.
        log_priors: what the loss adds to the logits, if anything.

    Raises:
        InputError: if it cannot, with the reason.
    """
    if not any(phase.solves for phase in phases):
        return
    dense = _dense_of(model)
    if log_priors is not None and dense.kernel_constraint is None and not dense.use_bias:
        raise InputError(
            "Expected a head with a bias, from which the logarithms of the classes' shares are taken off. Received: "
            f"balance={options.balance!r} with {dense.name!r}, which has none. Take balance='class_weight'."
        )
    if options.loss is not None:
        raise InputError(
            "Expected no `loss` with a head that is solved, which has the smallest cross-entropy or, for values, "
            f"squared error. Received: loss={options.loss!r}. Train the head by 'feature_extraction' instead."
        )


@dataclass(frozen=True, eq=False)
class HeadSolver:
    """Gives the head of a model the weights with the smallest loss on the training images.

    The vectors of a cosine head become the means of its classes, which is a start. Where the data draws each class
    equally often, the images are weighed so that classes weigh the same.

    Attributes:
        model: the whole.
        data: its images.
        class_weight: as in `fit`.
        solved: which keeps how the penalty was chosen.
        verbose: 0 to say nothing.
        log_priors: what the loss adds to the logits, float `(num_classes,)`, and what is therefore taken off the bias
            of the head with the smallest plain loss; None for nothing. See `LogitAdjustment`.
        shares: of the classes in place of labels, and the weight of each image; see `Teaching`.
    """

    model: keras.Model
    data: LabelledData
    class_weight: Mapping[int, float] | None
    solved: Solved
    verbose: str | int
    log_priors: np.ndarray | None = None
    shares: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, part: keras.Model, segment: SolvedSegment) -> dict[str, float]:
        """Solves the head, and returns the loss and the metrics of the part after the features, which is compiled.

        Raises:
            DataError: if a feature is not a finite number, or there is nothing to tell apart.
        """
        arrays = segment.features()
        self._solve(arrays["train"], segment.views)
        return self._evaluated(part, arrays, segment.views)

    def _solve(self, features: Arrays, views: int) -> None:
        dense, data = _dense_of(self.model), self.data
        (source,) = features
        examples, outputs = data.splits["train"], self.model.output_shape[-1]
        given, weights = examples.labels, self._weights(examples.labels)
        if self.shares is not None:
            given, weights = self.shares[0], weights * self.shares[1]
        of_tokens = _rows_of_tokens(source, examples) if data.task.axes else None
        if dense.kernel_constraint is not None:
            plain = of_tokens or Rows(source, examples.labels, weights, views=views)
            dense.kernel.assign(class_means(plain, outputs))
            return
        name = self.model.layers[-1].activation.__name__
        objective = OBJECTIVES.find(name) if self.shares is None else SoftmaxOfShares()
        if of_tokens is not None:
            rows = replace(of_tokens, labels=objective.fitted(of_tokens.labels, outputs))
        else:
            rows = Rows(source, objective.fitted(given, outputs), weights, strata_of(examples), examples.groups, views)
        found = solve(rows, objective, outputs, biased=dense.use_bias, seed=data.seed)
        dense.kernel.assign(found.kernel)
        if dense.use_bias:
            dense.bias.assign(found.bias - self._shift(outputs))
        self.solved.keep(found.path, found.C)
        if self.verbose:
            said = next((f", loss {tried.loss:.3g} there" for tried in found.path if tried.C == found.C), "")
            say(f"head: solved with C={found.C:g}, chosen by {found.chosen_by}{said}")

    def _weights(self, labels: np.ndarray) -> np.ndarray:
        """Returns the weight of each image in the loss."""
        found = np.ones(len(labels), np.float32)
        evenly = self.data.task.balanced_weights(labels) if self.data.sampling == "balanced" else None
        for weights in (self.class_weight, evenly):
            if weights is not None:
                found *= np.array([weights.get(label, 0.0) for label in range(max(weights) + 1)], np.float32)[labels]
        return found

    def _shift(self, outputs: int) -> np.ndarray:
        """Returns what is taken off the bias: equation 9 of Menon and others, or for one output its two classes'."""
        if self.log_priors is None:
            return np.zeros(outputs, np.float32)
        return (np.diff(self.log_priors) if outputs == 1 else self.log_priors).astype(np.float32)

    def _evaluated(self, part: keras.Model, arrays: Mapping[str, Arrays], views: int) -> dict[str, float]:
        """Returns loss and metrics, named as `fit` names them. Nothing is traced: each call is one layer."""
        part.run_eagerly = True
        found = {}
        for name, prefix in (("train", ""), ("validation", "val_")):
            if name in arrays:
                repeated = views if name == "train" else 1
                steps = -(-len(self.data.splits[name]) * repeated // _ROWS)
                batches = self._batches(name, arrays[name], repeated)
                logs = part.evaluate(batches, steps=steps, verbose=0, return_dict=True)
                found.update({f"{prefix}{metric}": value for metric, value in logs.items()})
        return found

    def _batches(self, name: str, arrays: Arrays, views: int) -> Iterator[tuple[np.ndarray, ...]]:
        labels = self.data.batch_labels(name, views)
        weighs = name == "train" and (self.class_weight or self.data.sampling == "balanced")
        weights = self._weights(self.data.splits[name].labels) if weighs else None
        for start in range(0, len(labels), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(labels)))
            some = () if weights is None else (weights[rows % len(weights)],)
            yield arrays[0].read(rows), labels[rows], *some


def _rows_of_tokens(source: Source, examples: Examples) -> Rows:
    """Returns a row for each token that has a label; those of a text, or of its group, stay on one side."""
    example, place = np.nonzero(examples.labels[..., 0] != UNKNOWN)
    groups = example if examples.groups is None else examples.groups[example]
    labels = examples.labels[example, place, 0]
    return Rows(AtPlaces(source, example, place), labels, np.ones(len(labels), np.float32), None, groups)


def can_solve(model: keras.Model) -> bool:
    """Says whether the head of a model can be solved."""
    try:
        _dense_of(model)
    except InputError:
        return False
    return True


def _dense_of(model: keras.Model) -> keras.layers.Dense:
    """Returns the layer that the head of a model consists of."""
    if frozen_cut(model, HEAD) != FEATURES:
        raise InputError("Expected a pooling without weights, to solve a head. Received: one that is trained too.")
    head = split(model, FEATURES)[1]
    layers = [node.operation for node in nodes(head) if not isinstance(node.operation, _IDLE)]
    *inner, last = layers
    kinds = tuple(map(type, inner))
    linear = kinds == (keras.layers.Dense,) and _is_plain(inner[0])
    known = isinstance(last, keras.layers.Activation) and last.activation.__name__ in OBJECTIVES.names()
    if known and (linear or (kinds == _COSINE and not inner[1].use_bias)):
        return next(layer for layer in inner if isinstance(layer, keras.layers.Dense))
    raise InputError(
        "Expected a head that is linear in the features, to solve it: one dense layer, as head='linear' is. "
        f"Received: {_named(layers)}. Train it by another schedule, such as 'feature_extraction'."
    )


def _named(operations: Sequence[keras.Operation]) -> str:
    names = [each.name for each in operations if isinstance(each, keras.layers.Layer)]
    return f"{names[:_SHOWN]}{' and more' if len(names) > _SHOWN else ''}"


def _is_plain(layer: keras.layers.Dense) -> bool:
    free = layer.kernel_constraint is None and layer.bias_constraint is None
    return free and layer.activation is keras.activations.linear
