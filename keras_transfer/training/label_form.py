"""The form of labels that losses and metrics take: the numbers of classes, or one-hot rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_transfer._checks import InputError

# of Keras, those that take one-hot labels besides everything named `Categorical...`
_ONE_HOT_LOSSES = {"cosine_similarity", "dice", "hinge", "kl_divergence", "poisson", "squared_hinge", "tversky"}
_ONE_HOT_METRICS = {
    "AUC",
    "BinaryAccuracy",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "KLDivergence",
    "OneHotIoU",
    "OneHotMeanIoU",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
}
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


def _form(part: Any, module: Any) -> bool | None:
    """Returns True for one-hot labels, False for the numbers of classes, None for what takes either or is not known."""
    name = part if isinstance(part, str) else getattr(part, "__name__", type(part).__name__)
    if isinstance(part, str) and part not in ("accuracy", "acc", "crossentropy", "ce"):
        found = module.get(part)
        name = getattr(found, "__name__", type(found).__name__)
    plain = name.replace("_", "").lower()
    if plain.startswith("sparse"):
        return False
    one_hot = {each.replace("_", "").lower() for each in _ONE_HOT_LOSSES | _ONE_HOT_METRICS}
    return True if plain.startswith(("categorical", "topkcategorical")) or plain in one_hot else None
