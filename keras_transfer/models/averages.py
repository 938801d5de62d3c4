"""Averages of the weights of models that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np
from keras.layers import BatchNormalization

from keras_transfer._keras.still import layers_inside


def set_average(model: keras.Model, weights: Sequence[Sequence[np.ndarray]], shares: Sequence[float]) -> None:
    """Gives a model averages of weights, and brings those with a constraint back within it.

    Args:
        model: whose weights are set.
        weights: several lists, each in the form of `model.get_weights()`. Of those that are no fractions, such as
            states of random numbers, the last are taken.
        shares: of each list, with a sum of 1.
    """

    def average(*values: np.ndarray) -> np.ndarray:
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(values[-1].dtype)):
            return values[-1]
        found = sum(share * value.astype(np.float64) for share, value in zip(shares, values, strict=True) if share)
        return np.asarray(found, values[-1].dtype)

    model.set_weights([average(*values) for values in zip(*weights, strict=True)])
    for weight in model.weights:
        if weight.constraint is not None:  # such as the length of a cosine head's vectors
            weight.assign(weight.constraint(weight))


def batch_norms(model: keras.Model) -> list[BatchNormalization]:
    """Returns the BatchNorm layers of a model, at every depth."""
    return [layer for layer in layers_inside(model) if isinstance(layer, BatchNormalization)]


def moved_norms(model: keras.Model, weights: Sequence[Sequence[np.ndarray]]) -> list[BatchNormalization]:
    """Returns the BatchNorm layers of a model whose statistics differ among lists of its weights."""
    places = {id(weight): place for place, weight in enumerate(model.weights)}

    def moved(norm: BatchNormalization) -> bool:
        means = [each[places[id(norm.moving_mean)]] for each in weights]
        return any(not np.array_equal(means[0], other) for other in means[1:])

    return [norm for norm in batch_norms(model) if moved(norm)]


def differ(weights: Iterable[Sequence[keras.Variable | np.ndarray]]) -> bool:
    """Says whether the weights of any model differ from those of the first."""
    first, *others = ([np.array(weight) for weight in each] for each in weights)
    return any(not np.array_equal(*pair) for other in others for pair in zip(first, other, strict=True))
