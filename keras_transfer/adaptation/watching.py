"""Callbacks of an adaptation: one runs a validator after each epoch, one stops training that has diverged."""

from __future__ import annotations

import warnings
from typing import Any
from weakref import ref

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataWarning
from keras_transfer.adaptation.adaptation_model import features_of
from keras_transfer.adaptation.domains import Domains, Fed
from keras_transfer.adaptation.validators import Outputs, Validator
from keras_transfer.training.divergence import Divergence
from keras_transfer.training.relay import quiet_tracing


class Validation(keras.callbacks.Callback):
    """Adds the score of a validator on the validation images to the logs of each epoch, under `val_` and its name.

    Args:
        domains: source and target; labels of the target are not used.
        name: name of the validator.
        validator: the validator.

    Attributes:
        key: name of the score in the logs.
        seen: number of epochs that were scored.
        outputs_are_finite: whether all features and probabilities that were scored last are finite. If they are not,
            the validator is not called, and the score is not-a-number.
    """

    memory = ("seen",)

    def __init__(self, domains: Domains, name: str, validator: Validator):
        super().__init__()
        self._domains, self._validator = domains, validator
        self._name, self.key = name, f"val_{name}"
        self.outputs_are_finite = True
        self.seen = 0  # `memory` names it, so that Resume knows this callback
        self._of: ref[Fed] | None = None  # weak, because it holds activations

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        fed = self._domains.fed
        if fed is None or logs is None:
            return
        logs[self.key] = value = self._ask(fed)
        self.seen = epoch + 1
        if self.outputs_are_finite and not np.isfinite(value):
            warnings.warn(
                f"The validator {self._name!r} gave {value} for epoch {epoch + 1}, which is not chosen therefore.",
                DataWarning,
                stacklevel=2,
            )

    def score(self, model: keras.Model) -> float:
        """Returns the value of the validator for the present weights of the model."""
        with quiet_tracing():
            return self._ask(self._domains.fed or self._domains.whole(model))

    def predicted(self, model: keras.Model) -> np.ndarray:
        """Returns the class that the model predicts for each validation image of the target, int `(count,)`."""
        fed = self._domains.fed or self._domains.whole(model)
        with quiet_tracing():
            _, target = self._look(fed)
        return np.zeros(0, int) if target is None else target.probabilities.argmax(axis=1)

    def _ask(self, fed: Fed) -> float:
        source, target = self._look(fed)
        seen = [array for each in (source, target) if each is not None for array in (each.features, each.probabilities)]
        self.outputs_are_finite = all(np.isfinite(array).all() for array in seen)
        return self._validator(source, target) if self.outputs_are_finite else float("nan")

    def _look(self, fed: Fed) -> tuple[Outputs | None, Outputs | None]:
        if self._of is None or self._of() is not fed:
            self._of, self._network = ref(fed), network_of(fed.part)
        source = None if fed.validation is None else outputs_of(self._network, fed.validation)
        return source, None if fed.target is None else outputs_of(self._network, fed.target)


class AdaptationDivergence(Divergence):
    """Stops an adaptation that has diverged, as `Divergence` does.

    It has diverged if a loss, a metric, a feature or a probability is not a finite number. If only the value of the
    validator is not finite, it has not diverged.

    Args:
        part: the part of the model that holds all weights that training changes.
        best: the callback that keeps the best weights.
        validation: the callback that asks the validator, which must run before this one.
    """

    what = "the loss, or what the model predicts,"

    def __init__(self, part: keras.Model, best: keras.callbacks.EarlyStopping, validation: Validation):
        super().__init__(part, best)
        self._validation = validation

    def broken(self, logs: dict[str, Any]) -> bool:
        numbers = [np.asarray(value, np.float64) for name, value in logs.items() if name != self._validation.key]
        if all(np.isfinite(each).all() for each in numbers) and self._validation.outputs_are_finite:
            return False
        logs[self._validation.key] = float("nan")  # so that this epoch cannot be the best
        return True

    def advice(self) -> str:
        return "Try a lower learning rate, or a smaller `weight`."


def network_of(part: keras.Model) -> keras.Model:
    """Returns a network with the same layers and two outputs: the features that methods align, and probabilities."""
    return keras.Model(part.inputs, [features_of(part), part.outputs[0]])


def outputs_of(network: keras.Model, batches: tf.data.Dataset) -> Outputs:
    """Runs a network that returns features and probabilities over batches of images or activations.

    If the batches hold no labels, the result has none.
    """
    features, probabilities, labels = [], [], []
    for batch in batches:
        images, given = batch if isinstance(batches.element_spec, tuple) else (batch, None)
        found = network.predict_on_batch(images)
        features.append(np.asarray(found[0], np.float32))
        probabilities.append(np.asarray(found[1], np.float32))
        if given is not None:
            labels.append(np.asarray(given))
    return Outputs(np.concatenate(features), np.concatenate(probabilities), np.concatenate(labels) if labels else None)
