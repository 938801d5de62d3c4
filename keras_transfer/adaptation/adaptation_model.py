"""AdaptationModel: trains a plain Keras model on batches of labelled source images and unlabelled target images."""

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
    """Trains a plain model on labelled source images and unlabelled target images, in a script of your own.

    It is a functional model with the layers of the plain one, so `set_trainable`, `UnfreezeSchedule` and Keras'
    callbacks work on it. `fit` minimises the loss of the task on the source plus `weight` times the loss of the method
    on both domains. Afterwards the plain model has the trained weights, and nothing of the method is left in it.

    The target and the source pass through the network separately, several sources together. A BatchNorm layer that is
    trained therefore normalises each batch with the statistics of its own domain, and both domains in turn update its
    moving statistics, which the model uses to predict.

    Args:
        model: a model made by `build_model` with softmax.
        method: a name in `kt.available("alignment")`, an `Alignment`, or a function of two `kt.alignment.Batch`es. An
            `Alignment` is copied, so one object may be given to several models.
        weight: factor of the method's loss, 0 or more.

    Attributes:
        model: the plain model, which shares its layers with this one.

    Raises:
        InputError: if the method is unknown, the weight is below 0 or the model has no softmax; for AdaBN, which does
            nothing during training; for MixStyle with a network of one stage.

    Example:
        >>> import numpy as np
        >>> from keras_transfer import Backbone, build_model
        >>> network = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, strides=8)])
        >>> model = build_model(Backbone(network, lambda pixels: pixels / 255), 2, image_size=32)
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
        # in __dict__, because Keras would track them as parts of this model
        self.__dict__.update(
            model=model,
            _running=running,
            _both=keras.Model(self.inputs, [features, model.outputs[0]]),
            _mean_alignment=keras.metrics.Mean(name="alignment"),
        )

    @classmethod
    def of_part(cls, part: keras.Model, running: Running) -> AdaptationModel:
        """Makes the model for one part of a network; the parts, trained one after another, share the method's state."""
        found = cls(part, "none", weight=0.0)
        found.__dict__["_running"] = running
        return found

    @property
    def method(self) -> Alignment:
        """The method in use: a copy of the one that was given."""
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
        """Trains the plain model in place. Except for `x` the arguments are those of Keras' `fit`.

        Args:
            x: `(source, target)`. The source is a dataset of batches of images and labels, a list of such datasets for
                several sources, or None if the method needs no source. The target is a dataset of batches of images, or
                None if the method needs no target. An epoch is one pass over the source, over the shortest of several
                sources, or over the target if there is no source. The target is repeated as often as needed.
            epochs: number of the last epoch, counted from 1.
            validation_data: batches of images and labels, usually of the source.
            callbacks: callbacks of Keras or your own.
            class_weight: weight of each label of the source in the loss.
            initial_epoch: epoch to start from, counted from 0.
            shuffle: ignored; datasets shuffle themselves.
            verbose: as in Keras' `fit`.

        Returns:
            The History; its `model` is the plain model.

        Raises:
            InputError: if a source or target is missing that the method needs, if the target's batches have labels, or
                if the number of batches in an epoch is not known.
        """
        if isinstance(x, tf.data.Dataset):  # `adapt` has joined the domains
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
        """Runs one training step on `((images of each domain, ...), labels of the sources)`, sources first."""
        domains, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        running = self._running
        count = len(domains) - running.method.needs_target  # number of sources
        with tf.GradientTape() as tape:
            # the source last, because layers keep the regularisation losses of their latest call
            target, source = self._forward(domains[count:]), self._forward(domains[:count])
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
        """Resets all metrics; Keras does so before each epoch."""
        super().reset_metrics()
        self._mean_alignment.reset_state()

    def _update_method(self, gradients: Sequence[tf.Tensor | None], is_finite: tf.Tensor) -> None:
        """Updates the method's own weights, given the gradients of the scaled loss."""
        scale = tf.cast(self.optimizer.scale_loss(tf.ones(())), tf.float32)
        rate = leaf_of(self.optimizer, head_weight(self)).learning_rate
        self._running.learn([each if each is None else each / scale for each in gradients], rate, is_finite)

    def _forward(self, domains: Sequence[Any]) -> Batch:
        """Runs the network once on the images of all these domains together; without domains returns an empty batch."""
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
    """Returns a weight of the last layer that has any; the optimizer that changes it is that of the head."""
    return [layer for layer in model.layers if layer.weights][-1].weights[0]


def all_finite(gradients: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """Returns whether all numbers in all gradients are finite, as a boolean scalar tensor."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in gradients if each is not None])


def features_of(model: keras.Model) -> keras.KerasTensor:
    """Returns the vector that methods align: the input of the last layer that has weights.

    That is `features` if the head is linear, and the last hidden vector if the head is deeper. If no layer of the head
    has weights it is `features` as well.
    """
    for node in reversed(nodes_before(model, model.outputs[0])):
        if getattr(node.operation, "weights", ()):
            if len(node.input_tensors[0].shape) == 2:
                return node.input_tensors[0]
            break
    named = [layer.output for layer in model.layers if layer.name == "features"]
    return named[0] if named else model.inputs[0]
