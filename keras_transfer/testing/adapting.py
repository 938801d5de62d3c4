"""Contracts of methods and validators of adaptation."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_transfer.adaptation.alignment import Alignment, Batch, find_method
from keras_transfer.adaptation.alignment.method import Loss
from keras_transfer.adaptation.validators import VALIDATORS, Outputs, Validator
from keras_transfer.testing.contract import require

_CHANNELS, _CLASSES = 4, 3


def check_alignment(method: str | Alignment | Loss) -> None:
    """Checks the loss of an adaptation method.

    It must be one finite float32 with finite gradients, and the same each time the method is started. If the method's
    `zero_on_equal` is True, it must be 0 if source and target are the same batch.

    Args:
        method: name, an `Alignment`, or a function of two batches.

    Raises:
        BrokenContract: if the loss does not meet these conditions.
        InputError: if the name is unknown, or `method` has another type.
    """
    found, rng = find_method(method), np.random.default_rng(0)
    for source, target in ((_batch(rng, 6), _batch(rng, 5)), (_certain(), _certain())):
        found.start(_CHANNELS, _CLASSES)
        seen = [source.features, source.probabilities, target.features, target.probabilities]
        with tf.GradientTape() as tape:
            tape.watch(seen)
            value = found.loss(source, target, tf.constant(0.5))
        require(value.shape == () and value.dtype == tf.float32, "a loss that is one float32", value)
        gradients = tape.gradient(value, seen, unconnected_gradients="zero")
        require(np.isfinite(value), "a finite loss", float(value))
        require(all(np.isfinite(gradient).all() for gradient in gradients), "finite gradients")
    same = _batch(rng, 6)
    found.start(_CHANNELS, _CLASSES)
    zero = abs(float(found.loss(same, same, tf.constant(0.5)))) < 1e-5
    require(zero or not found.zero_on_equal, "a loss of zero on equal batches, since `zero_on_equal` says so")
    source, target = _batch(rng, 6), _batch(rng, 6)
    values = []
    for _ in range(2):
        found.start(_CHANNELS, _CLASSES)
        values.append(float(found.loss(source, target, tf.constant(0.5))))
        for variable in found.variables:
            variable.assign(variable + 1)
    require(values[0] == values[1], "the same loss each time the method is started", values)


def check_validator(validator: str | Validator) -> None:
    """Checks that a validator returns one finite float, and does not depend on labels of the target.

    Args:
        validator: name, or a function of two `Outputs`.

    Raises:
        BrokenContract: if the validator does not meet these conditions.
        InputError: if the name is unknown.
    """
    judge, rng = VALIDATORS.find(validator), np.random.default_rng(0)
    source, target = (_batch(rng, count) for count in (20, 15))
    labelled = _outputs(source, np.arange(20) % _CLASSES)
    value = judge(labelled, _outputs(target))
    require(isinstance(value, float) and np.isfinite(value), "one finite float", value)
    cheating = _outputs(target, np.arange(15) % _CLASSES)
    require(judge(labelled, cheating) == value, "the same value whatever the labels of the target")


def _batch(rng: np.random.Generator, count: int) -> Batch:
    shares = rng.dirichlet(np.ones(_CLASSES), count)
    return Batch(tf.constant(rng.normal(size=(count, _CHANNELS)), tf.float32), tf.constant(shares, tf.float32))


def _outputs(batch: Batch, labels: np.ndarray | None = None) -> Outputs:
    return Outputs(np.asarray(batch.features), np.asarray(batch.probabilities), labels)


def _certain() -> Batch:
    """Returns a batch with probabilities of exactly 0 and 1 and distances of 0, where logarithms and roots can fail."""
    return Batch(tf.ones((4, _CHANNELS)), tf.one_hot([0, 1, 1, 2], _CLASSES))
