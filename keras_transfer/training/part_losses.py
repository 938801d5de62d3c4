"""Losses over the parts of examples that have a label, such as pixels or tokens, and sums of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from keras_transfer.tasks import UNKNOWN
from keras_transfer.training.label_form import takes_one_hot

_OF_REGIONS = (keras.losses.Dice, keras.losses.Tversky)  # one number for all parts of a batch
_OF_REGIONS_TOO = (keras.losses.dice, keras.losses.tversky)
Loss = Callable[[Any, Any], Any]


def over_parts(loss: Any, class_weight: Mapping[int, float] | None = None) -> Loss:
    """Returns a loss of labels int `(batch, ..., 1)` and probabilities `(batch, ..., num_classes)`.

    Of losses that Keras defines part by part it is the mean over all parts of the batch that have a label, each times
    the weight of its class. Dice and Tversky compare regions: what has no label is no part of them, and weights do not
    apply.

    Args:
        loss: of Keras, as an object or by its name; or a list of these, which are added.
        class_weight: weight of each class by its number; 1 for one that is not named.
    """
    parts = [_part(each) for each in (loss if isinstance(loss, (list, tuple)) else [loss])]

    def loss_over_parts(labels: Any, outputs: Any) -> Any:
        numbers, count = ops.cast(labels[..., 0], "int32"), outputs.shape[-1]
        known = ops.cast(numbers != UNKNOWN, outputs.dtype)
        numbers = ops.maximum(numbers, 0)
        weights = known
        if class_weight is not None:
            of_classes = [float(class_weight.get(number, 1.0)) for number in range(count)]
            weights = known * ops.take(ops.convert_to_tensor(of_classes, outputs.dtype), numbers)
        return sum(part(numbers, outputs, known, weights) for part in parts)

    return loss_over_parts


def _part(loss: Any) -> Callable[[Any, Any, Any, Any], Any]:
    found = keras.losses.get(loss)
    each = found.call if isinstance(found, keras.losses.Loss) else found

    def of_regions(numbers: Any, outputs: Any, known: Any, weights: Any) -> Any:
        true = ops.one_hot(numbers, outputs.shape[-1], dtype=outputs.dtype)
        return ops.mean(each(true * known[..., None], outputs * known[..., None]))

    def of_each(numbers: Any, outputs: Any, known: Any, weights: Any) -> Any:
        hot = takes_one_hot(loss)
        labels = ops.one_hot(numbers, outputs.shape[-1], dtype=outputs.dtype) if hot else numbers[..., None]
        return ops.sum(each(labels, outputs) * weights) / ops.maximum(ops.sum(known), 1)

    return of_regions if isinstance(found, _OF_REGIONS) or found in _OF_REGIONS_TOO else of_each
