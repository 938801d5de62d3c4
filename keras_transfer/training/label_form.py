"""The form of labels that losses and metrics take: the numbers of classes, or one-hot rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_transfer._checks import InputError

# Losses and metrics of Keras take one-hot labels, but for those that take numbers, and those that take either or none.
_NUMBERS = {"circle", "ctc"}
_EITHER = {"acc", "accuracy", "ce", "crossentropy", "iou", "loss", "mean", "meaniou", "meanmetricwrapper", "metric"}
_SHORT = {"f1": lambda: keras.metrics.F1Score(average="macro", name="f1")}


def named_metrics(metrics: Sequence[Any]) -> list[Any]:
    """Returns the metrics with the short names that Keras does not know in the place of objects: "f1", over classes."""
    return [_SHORT[each]() if isinstance(each, str) and each in _SHORT else each for each in metrics]


def wants_one_hot(loss: Any, metrics: Sequence[Any]) -> bool:
    """Returns whether a loss and metrics take one-hot labels. Names and functions that take either form do not count.

    Raises:
        InputError: if some take one-hot labels and others the numbers of classes.
    """
    every = [_form(each, keras.metrics) for each in named_metrics(metrics)]
    every += [] if loss is None else [_form(loss, keras.losses)]
    if True in every and False in every:
        names = [getattr(each, "name", each) for each in (loss, *metrics) if each is not None]
        raise InputError(
            "Expected a loss and metrics that all take one-hot labels, or all the numbers of classes. "
            f"Received both among {names}. Of most there are both, such as CategoricalAccuracy and "
            "SparseCategoricalAccuracy."
        )
    return True in every


def takes_one_hot(loss: Any) -> bool:
    """Says whether a loss of Keras takes one-hot labels."""
    return _form(loss, keras.losses) is True


def _form(part: Any, module: Any) -> bool | None:
    """Returns True for one-hot labels, False for numbers of classes, None for what takes either or is not of Keras."""
    if isinstance(part, str):
        if part in _EITHER:  # Keras chooses by the labels
            return None
        part = module.get(part)
    kind = part if hasattr(part, "__name__") else type(part)
    plain = kind.__name__.replace("_", "").lower()
    if not str(kind.__module__).startswith("keras.") or plain in _EITHER:
        return None
    return not (plain.startswith("sparse") or plain in _NUMBERS)
