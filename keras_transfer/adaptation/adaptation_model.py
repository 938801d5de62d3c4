"""AdaptationModel: a model whose step sees batches of several domains, with the layers and weights of a plain one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import nodes_before
from keras_transfer._keras.leaves import leaf_of
from keras_transfer._keras.trainer import task_loss, track_loss
from keras_transfer.adaptation.alignment import Alignment, Batch, MixStyle, find_method
from keras_transfer.adaptation.alignment.method import Loss
from keras_transfer.adaptation.batches import Datasets, joined
from keras_transfer.adaptation.method_in_training import Running
from keras_transfer.adaptation.styles import check_mixable, mixing_styles
from keras_transfer.tasks import Classification


class AdaptationModel(keras.Model):
    """Trains a plain model on labelled images of a source and unlabelled ones of a target, in a script of your own.

    It is a functional model of the same layers, so that `set_trainable`, `UnfreezeSchedule` and Keras' callbacks do to
    it what they do to the plain one. `fit` trains the task on the source plus `weight` times the method on both;
    `model` is the plain model with the trained weights, and bears no trace of the method. Each domain goes through the
    network by itself (several sources together): BatchNorm that trains normalises a batch by the statistics of its own
    domain, and its moving statistics, by which the model predicts, follow both in turn.

    Args:
        model: a model made by `build_model`, with softmax.
        method: name in `kt.available("alignment")`, an `Alignment`, or a function of two batches of features.
        weight: of the method's loss beside the task's, 0 or more.

    Attributes:
        model: the plain model.

    Raises:
        InputError: for an unknown method, a weight below 0, a model without softmax, AdaBN, which has no step of its
            own, or MixStyle with a network of one stage.

    Example:
        >>> import numpy as np
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> images = tf.data.Dataset.from_tensor_slices(np.zeros((4, 32, 32, 3), "float32"))
        >>> source = tf.data.Dataset.zip(images, tf.data.Dataset.from_tensor_slices([0, 1, 0, 1])).batch(2)
        >>> adapting = AdaptationModel(model, "coral")
        >>> adapting.compile("sgd", "sparse_categorical_crossentropy")
        >>> history = adapting.fit((source, images.batch(2)), epochs=1, verbose=0)
        >>> sorted(history.history), history.model is model
        (['alignment', 'loss'], True)
    """

    def __init__(self, model: keras.Model, method: str | Alignment | Loss = "mcc", *, weight: float = 1.0):
        super().__init__(inputs=model.inputs, outputs=model.outputs, name=f"adapting_{model.name}")
        features = features_of(model)
        check_probabilities(model)
        found = find_method(method)
        if isinstance(found, MixStyle):
            check_mixable(model)
        if not found.needs_source and not found.needs_target:
            raise InputError(f"Expected a method with a step of its own. Received: {found!r}. Use kt.adapt for it.")
        running = Running(found, weight, features.shape[-1], model.outputs[0].shape[-1])
        # past Keras' tracking: none of these is state of the model
        self.__dict__.update(
            model=model,
            _running=running,
            _both=keras.Model(self.inputs, [features, model.outputs[0]]),
            _mean_alignment=keras.metrics.Mean(name="alignment"),
        )

    @classmethod
    def of_part(cls, part: keras.Model, running: Running) -> AdaptationModel:
        """Returns the model for a part of another, in a training that is shared by several parts."""
        found = cls(part, "none", weight=0.0)
        found.__dict__["_running"] = running
        return found

    @property
    def method(self) -> Alignment:
        """The method."""
        return self._running.method

    def fit(
        self,
        x: tf.data.Dataset | Datasets,
        *,
        epochs: int = 1,
        validation_data: tf.data.Dataset | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        class_weight: dict[int, float] | None = None,
        initial_epoch: int = 0,
        shuffle: bool = False,
        verbose: str | int = "auto",
    ) -> keras.callbacks.History:
        """Trains the plain model in place, as Keras' `fit` does.

        Args:
            x: `(source, target)`: batches of images and labels, and batches of images. The source is None for a method
                that needs none, and may be a list for several sources; the target is None for one that needs none. An
                epoch is one pass over the source (the shortest of several, or the target where there is none); the
                target begins anew as often as it has to.
            epochs: number of the last epoch.
            validation_data: labelled batches, of the source as a rule.
            callbacks: of Keras or yours.
            class_weight: of the source's labels.
            initial_epoch: counted from 0.
            shuffle: not used: datasets shuffle themselves.
            verbose: as in Keras' `fit`.

        Returns:
            The History, whose `model` is the plain model.

        Raises:
            InputError: if source or target are missing, or the target's batches have labels.
        """
        if isinstance(x, tf.data.Dataset):  # joined already, by `adapt`
            own: list[keras.callbacks.Callback] = list(callbacks)
        else:
            x, own = joined(x, self.method), [self._running, *callbacks]
            self._running.follow(leaf_of(self.optimizer, head_weight(self)))
        history = super().fit(
            x,
            epochs=epochs,
            validation_data=validation_data,
            callbacks=own,
            class_weight=class_weight,
            initial_epoch=initial_epoch,
            shuffle=False,
            verbose=verbose,
        )
        history.set_model(self.model)
        return history

    def train_step(self, data: Any) -> dict[str, Any]:
        """Takes a step on images of all domains, `((images, ...), labels)`; those with labels come first."""
        domains, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        running = self._running
        count = len(domains) - running.method.needs_target  # of the sources
        with tf.GradientTape() as tape:
            target, source = self._forward(domains[count:]), self._forward(domains[:count])  # its losses are the last
            if count:
                task = task_loss(self, domains, labels, source.probabilities, sample_weight)
            else:
                task = tf.add_n(self.losses) if self.losses else tf.zeros(())
            alignment = running.method.loss(source, target, running.progress)
            loss = tf.cast(task, tf.float32) + running.weight * alignment
            scaled = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled, [*weights, *running.variables])
        # before the model's own update, which may change the scale of the loss and the learning rate
        self._update_method(gradients[len(weights) :], all_finite(gradients))
        self.optimizer.apply_gradients(zip(gradients[: len(weights)], weights, strict=True))
        running.advance()
        images = tf.shape(source.features)[0] + tf.shape(target.features)[0]
        track_loss(self, loss, images)
        self._mean_alignment.update_state(alignment, sample_weight=images)
        found = self.compute_metrics(domains, labels, source.probabilities, sample_weight=sample_weight)
        return {**found, "alignment": self._mean_alignment.result()}

    def reset_metrics(self) -> None:
        """Begins the means of an epoch anew."""
        super().reset_metrics()
        self._mean_alignment.reset_state()

    def _update_method(self, gradients: Sequence[tf.Tensor | None], is_finite: tf.Tensor) -> None:
        """Updates what the method learns itself, with gradients of the scaled loss."""
        scale = tf.cast(self.optimizer.scale_loss(tf.ones(())), tf.float32)
        rate = leaf_of(self.optimizer, head_weight(self)).learning_rate
        self._running.learn([each if each is None else each / scale for each in gradients], rate, is_finite)

    def _forward(self, domains: Sequence[Any]) -> Batch:
        """Runs the network once on images of these domains together; of none, the result is empty."""
        if not domains:
            return Batch(*(tf.zeros((0, output.shape[-1])) for output in self._both.outputs))
        images = keras.tree.map_structure(lambda *parts: tf.concat(parts, axis=0), *domains)
        method = self._running.method
        if isinstance(method, MixStyle):
            sizes = [tf.shape(keras.tree.flatten(each)[0])[0] for each in domains]
            with mixing_styles(self, lambda x, place: method.mix(x, sizes, self._running.step, place)) as mixed:
                found = self._both(mixed(images), training=True)
        else:
            found = self._both(images, training=True)
        return Batch(*(tf.cast(output, tf.float32) for output in found))


def check_probabilities(model: keras.Model) -> None:
    """Raises InputError unless a model returns one probability for each class of an image, with a sum of 1."""
    activation: Any = getattr(model.layers[-1], "activation", None)
    name = getattr(activation, "__name__", None)
    if name != Classification.activation or len(model.outputs[0].shape) != 2:
        raise InputError(
            f"Expected a model with activation='{Classification.activation}', one class an image. Received: {name!r}, "
            f"output shape {model.output_shape}."
        )


def head_weight(model: keras.Model) -> keras.Variable:
    """Returns a weight of the last layer that has any, by which the optimizer of the head is found."""
    return [layer for layer in model.layers if layer.weights][-1].weights[0]


def all_finite(gradients: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """Returns a boolean scalar: whether every number in every gradient is finite."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in gradients if each is not None])


def features_of(model: keras.Model) -> keras.KerasTensor:
    """Returns the vector that methods align: what enters the last layer with weights.

    That is `features` in front of a linear head, the last hidden vector of a deeper one. It is `features` too where no
    layer of the head has weights.
    """
    for node in reversed(nodes_before(model, model.outputs[0])):
        if getattr(node.operation, "weights", ()):
            if len(node.input_tensors[0].shape) == 2:
                return node.input_tensors[0]
            break
    named = [layer.output for layer in model.layers if layer.name == "features"]
    return named[0] if named else model.inputs[0]
