"""Losses over the known ones of several labels an image, and metrics over all labels that are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.tasks import UNKNOWN

_ACCURACIES = {"acc", "accuracy"}


def has_unknown(labels: np.ndarray) -> bool:
    """Returns whether some labels are not known."""
    return labels.ndim >= 2 and labels.dtype.kind in "iu" and bool((labels == UNKNOWN).any())


def over_known(loss: Any) -> Callable[[Any, Any], Any]:
    """Returns a loss whose value for an image is the mean over its known labels; 0 for an image that has none.

    Args:
        loss: of Keras, as an object or by its name, which is the mean of losses of single labels.
    """
    each = keras.losses.get(loss)
    each = each.call if isinstance(each, keras.losses.Loss) else each

    def loss_over_known(labels: Any, outputs: Any) -> Any:
        known = keras.ops.cast(labels != UNKNOWN, outputs.dtype)
        labels = keras.ops.cast(keras.ops.maximum(labels, 0), outputs.dtype)
        losses = each(labels[..., None], outputs[..., None])  # each label as an image of its own
        return keras.ops.sum(losses * known, -1) / keras.ops.maximum(keras.ops.sum(known, -1), 1)

    return loss_over_known


class OverKnown(keras.metrics.Metric):
    """A metric of Keras that sees the known labels alone, each as an example of its own."""

    def __init__(self, metric: keras.metrics.Metric):
        super().__init__(name=metric.name)
        self._metric = metric

    def update_state(self, labels: Any, outputs: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels and outputs `(batch, num_labels)`, or of tokens; weights are not used."""
        known = keras.ops.cast(labels != UNKNOWN, outputs.dtype)
        labels = keras.ops.cast(keras.ops.maximum(labels, 0), outputs.dtype)
        width = outputs.shape[-1] if len(outputs.shape) > 2 else 1  # of one label
        flat = [keras.ops.reshape(labels, (-1, 1)), keras.ops.reshape(outputs, (-1, width))]
        self._metric.update_state(*flat, sample_weight=keras.ops.reshape(known, (-1,)))

    def result(self) -> Any:
        """Returns the value so far."""
        return self._metric.result()

    def reset_state(self) -> None:
        """Forgets what was added."""
        self._metric.reset_state()


def metrics_over_known(metrics: Sequence[Any], *, of_parts: bool = False) -> list[Any]:
    """Returns metrics that pass over labels which are not known.

    Args:
        metrics: names or objects.
        of_parts: labels are numbers of classes, one for each token of a text, in place of several labels an image.

    Raises:
        InputError: if one of them averages over labels.
    """
    found = []
    for metric in metrics:
        accuracy = keras.metrics.SparseCategoricalAccuracy if of_parts else keras.metrics.BinaryAccuracy
        made = accuracy(name=metric) if metric in _ACCURACIES else keras.metrics.get(metric)
        if not isinstance(made, keras.metrics.Metric):
            made = keras.metrics.MeanMetricWrapper(made, name=getattr(metric, "__name__", str(metric)))
        of_labels = getattr(made, "average", "micro") != "micro" and not of_parts
        averages = of_labels or getattr(made, "multi_label", False)
        if averages:
            raise InputError(
                f"Expected metrics of single labels, since some labels are not known. Received: {made.name!r}, which "
                "averages over labels. `evaluate` gives the F1 of each label."
            )
        found.append(OverKnown(made))
    return found
