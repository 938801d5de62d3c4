"""Training from random weights, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from keras_transfer.data import PipelineData
from keras_transfer.insight.evaluation import evaluate


class Scratch:
    """Training of a network from random weights. It is compiled once; each run resets weights and learning rate.

    Args:
        build: builds the network, with random weights.
        rates: learning rates, of which the one is kept that is best at first.
        epochs: of a run.
    """

    def __init__(self, build: Callable[[], keras.Model], rates: Sequence[float], epochs: int):
        self._build, self._rates, self._epochs = build, tuple(rates), epochs
        self._model = build()
        for layer in self._model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9  # at 0.99 the statistics do not converge in so few steps
        self._model.compile("adam", "sparse_categorical_crossentropy")
        self._settle = tf.function(lambda batch: self._model(batch, training=True))

    def best_accuracy(self, data: PipelineData, seed: int) -> float:
        """Returns the best test accuracy over the learning rates. Later calls use only the rate that was best first."""
        accuracies = {rate: self._accuracy(data, seed, rate) for rate in self._rates}
        self._rates = (max(accuracies, key=lambda rate: accuracies[rate]),)
        return max(accuracies.values())

    def _accuracy(self, data: PipelineData, seed: int, rate: float) -> float:
        model = self._model
        keras.utils.set_random_seed(seed)
        model.set_weights(self._build().get_weights())
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        model.optimizer.learning_rate = rate
        data.start_epoch(0)
        model.fit(data.train.repeat(self._epochs), shuffle=False, verbose=0)
        for _ in range(5):
            for batch, _labels in data.train:
                self._settle(batch)  # updates the BatchNorm statistics for the final weights
        return evaluate(model, data.test, class_names=data.class_names).metrics["accuracy"]
