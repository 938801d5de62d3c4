"""Losses and metrics over the labels that are known, where some of several labels an image are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.tasks import UNKNOWN

_ACCURACIES = {"acc", "accuracy"}


def has_unknown(labels: np.ndarray) -> bool:
    """Returns whether some of several labels an image are not known."""
    return labels.ndim == 2 and labels.dtype.kind in "iu" and bool((labels == UNKNOWN).any())


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
        """Adds a batch of labels and outputs `(batch, num_labels)`; weights of examples are not used."""
        known = keras.ops.cast(labels != UNKNOWN, outputs.dtype)
        labels = keras.ops.cast(keras.ops.maximum(labels, 0), outputs.dtype)
        flat = [keras.ops.reshape(part, (-1, 1)) for part in (labels, outputs)]
        self._metric.update_state(*flat, sample_weight=keras.ops.reshape(known, (-1,)))

    def result(self) -> Any:
        """Returns the value so far."""
        return self._metric.result()

    def reset_state(self) -> None:
        """Forgets what was added."""
        self._metric.reset_state()


def metrics_over_known(metrics: Sequence[Any]) -> list[Any]:
    """Returns metrics that pass over labels which are not known.

    Raises:
        InputError: if one of them averages over labels.
    """
    found = []
    for metric in metrics:
        made = keras.metrics.BinaryAccuracy(name=metric) if metric in _ACCURACIES else keras.metrics.get(metric)
        if not isinstance(made, keras.metrics.Metric):
            made = keras.metrics.MeanMetricWrapper(made, name=getattr(metric, "__name__", str(metric)))
        averages = getattr(made, "average", "micro") != "micro" or getattr(made, "multi_label", False)
        if averages:
            raise InputError(
                f"Expected metrics of single labels, since some labels are not known. Received: {made.name!r}, which "
                "averages over labels. `evaluate` gives the F1 of each label."
            )
        found.append(OverKnown(made))
    return found
