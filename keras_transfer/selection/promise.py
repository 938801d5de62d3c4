"""Promise: what pretrained features are worth for a task, beside random features and plain pixels."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from time import perf_counter

import keras
import numpy as np

from keras_transfer.caching.dataset import extract_features
from keras_transfer.data import ImageData
from keras_transfer.features.ranking import Evidence
from keras_transfer.models.stages import split
from keras_transfer.selection.expecting import ACCURACY, expected_of, measure_of

_SIDE = 16  # of the small pictures whose pixels are features
_LITTLE = 0.02  # of R2, which is no gain


@dataclass(frozen=True)
class Promise:
    """What the features of a pretrained network are worth for a task. `print(promise)` says it in a sentence or two.

    All are measured on the same images by a solved head in a cross-validation: accuracies in [0, 1], or R2 for values.

    Attributes:
        network: name of the network, the smallest of those that were ranked.
        pretrained: with its weights.
        random: with random weights.
        pixels: of the colours alone, of pictures of 16x16 pixels.
        shift: how far the activations of the last BatchNorm are from those that the network was trained on: the mean
            over its channels of `(m - m0)² / v0 + (s / s0 - 1)²` for means m, variances v and deviations s = v^0.5;
            0 for images alike, None for a network without BatchNorm.
        doubt: the standard error of the gain.
        measure: "accuracy" or "R2".
        seconds: that it took.
    """

    network: str
    pretrained: float
    random: float
    pixels: float
    shift: float | None
    doubt: float
    measure: str
    seconds: float = field(compare=False, default=0.0)

    @property
    def gain(self) -> float:
        """What pretrained features are better than random ones and pixels, whichever of both is better."""
        return self.pretrained - max(self.random, self.pixels)

    @property
    def pays(self) -> bool:
        """Whether that gain is beyond doubt: more than its standard error."""
        return self.gain > self.doubt

    def __str__(self) -> str:
        found = "Transfer pays" if self.pays else "Transfer promises nothing here"
        told = (
            f"{found}: on images held out, {self.network} has an {self.measure} of {self.pretrained:.3f} with its "
            f"weights and of {self.random:.3f} with random ones, and plain pixels have {self.pixels:.3f}."
        )
        if self.shift is None:
            return told
        return f"{told} Its activations are {self.shift:.2f} from those it was trained on (0: alike)."


def promise_of(name: str, model: keras.Model, data: ImageData, features: np.ndarray, evidence: Evidence) -> Promise:
    """Measures what the features of a network are worth.

    Args:
        name: of the network.
        model: made by `build_model`, pretrained.
        data: the images, as its training split.
        features: that the model gives for them.
        evidence: of the images, whose features are replaced.
    """
    begun = perf_counter()
    images = np.concatenate([_small(batch) for batch, *_ in data.in_order("train")])
    other, _ = extract_features(_with_random_weights(model, data.seed), data, verbose=0)
    pretrained, at_random, pixels = (
        expected_of(replace(evidence, features=each.astype(np.float32))) or 0.0 for each in (features, other, images)
    )
    doubt = _LITTLE
    if measure_of(evidence) == ACCURACY:
        doubt = sum(share * (1 - share) / len(images) for share in (pretrained, max(at_random, pixels))) ** 0.5
    shift = _shift(model, data)
    return Promise(name, pretrained, at_random, pixels, shift, doubt, measure_of(evidence), perf_counter() - begun)


def _small(batch: np.ndarray) -> np.ndarray:
    """Returns the pixels of small pictures, float32 `(batch, values)` in [0, 1]."""
    small = keras.ops.image.resize(batch, (_SIDE, _SIDE), antialias=True, data_format="channels_last")
    return np.asarray(small).reshape(len(batch), -1) / 255


def _with_random_weights(model: keras.Model, seed: int) -> keras.Model:
    """Returns a copy of a model with weights that depend on a seed alone."""
    state = random.getstate()
    random.seed(seed)  # from which Keras draws the seeds of initializers that have none
    try:
        return keras.models.clone_model(model)
    finally:
        random.setstate(state)


def _shift(model: keras.Model, data: ImageData) -> float | None:
    """Returns how far the inputs of the last BatchNorm are from its statistics; None without BatchNorm."""
    norms = [
        layer
        for layer in split(model, "features")[0].layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.axis in (-1, len(layer.input.shape) - 1)
    ]
    if not norms:
        return None
    last = norms[-1]
    network = keras.Model(model.inputs, last.input)
    count, total, squares = 0, 0.0, 0.0
    for images, *_ in data.in_order("train"):
        values = np.asarray(network(images, training=False), np.float64)
        values = values.reshape(-1, values.shape[-1])
        count, total, squares = count + len(values), total + values.sum(axis=0), squares + (values**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    before, spread = np.asarray(last.moving_mean), np.sqrt(np.asarray(last.moving_variance) + last.epsilon)
    return float((((mean - before) / spread) ** 2 + (deviation / spread - 1) ** 2).mean())
