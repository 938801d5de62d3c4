"""PenaltyModel: trains a plain Keras model with a penalty for leaving what was pretrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._arguments import takes
from keras_transfer._checks import InputError
from keras_transfer._keras.borrowed import as_stored
from keras_transfer._keras.graph import nodes
from keras_transfer.models.copies import copy_model
from keras_transfer.models.origins import classes_of, origin_of
from keras_transfer.models.stages import MODEL, check_one_way, layers_by_part, marks_of_stages, split
from keras_transfer.schedules.parts import HEAD
from keras_transfer.training.penalties.penalty import PENALTY, Penalty, Step, find_penalty

_FEATURES = "features"


class Start(keras.callbacks.Callback):
    """A network as it was before training, also for a run that goes on later.

    Args:
        model: the whole model, before its training.

    Attributes:
        before: a copy, of which nothing changes.
        head: identities of the variables of the head.

    Raises:
        InputError: if the weights are random.
    """

    memory = ("weights",)

    def __init__(self, model: keras.Model):
        super().__init__()
        check_one_way(model)
        origin = origin_of(model)
        if origin is not None and origin.weights == "random" and classes_of(model) is None:  # which is set by training
            raise InputError(
                "Expected a pretrained model: a penalty keeps it near what it was. Received: one with random weights. "
                "Build it with weights='imagenet' or a file, or leave `penalty` out."
            )
        with model.distribute_strategy.scope():
            self.before = copy_model(model)
        self.before.trainable = False
        self.head = frozenset(id(weight) for layer in layers_by_part(model)[HEAD] for weight in layer.weights)

    @property
    def weights(self) -> list[np.ndarray]:
        """The weights of the copy."""
        return self.before.get_weights()

    @weights.setter
    def weights(self, arrays: Sequence[np.ndarray]) -> None:
        self.before.set_weights(arrays)

    def part(self, cut: str | None) -> keras.Model:
        """Returns the part of the copy from a cut on; all of it without one."""
        return self.before if cut is None else split(self.before, cut)[1]


class PenaltyModel(keras.Model):
    """Trains a plain model with a penalty, in a script of your own; `fine_tune(penalty=...)` does so by itself.

    It is a functional model with the layers of the plain one, so `set_trainable`, `UnfreezeSchedule` and Keras'
    callbacks work on it. `fit` minimises the compiled loss plus the penalty; the validation loss is without it.
    Afterwards the plain model has the trained weights, and nothing of the penalty is left in it.

    Args:
        model: a model made by `build_model`, as it is before training: it is copied.
        penalty: a name in `kt.available("penalty")`, an object of `kt.penalties`, a function of a `kt.penalties.Step`
            that returns a scalar, or a list of these, which are added.

    Attributes:
        model: the plain model, which shares its layers with this one.

    Raises:
        InputError: if the penalty is unknown, or the weights of the model are random.

    Example:
        >>> import numpy as np
        >>> from keras_transfer import Backbone, build_model
        >>> network = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, strides=8)])
        >>> model = build_model(Backbone(network, lambda pixels: pixels / 255), 2, image_size=32)
        >>> kept = PenaltyModel(model, "l2_sp")
        >>> kept.compile("sgd", "sparse_categorical_crossentropy")
        >>> history = kept.fit(np.zeros((4, 32, 32, 3)), np.array([0, 1, 0, 1]), verbose=0)
    """

    @takes(model=MODEL, penalty=PENALTY)
    def __init__(self, model: keras.Model, penalty: str | Penalty | Callable[..., Any] | Sequence[Any]):
        self._begin(model, find_penalty(penalty), Start(model), None)

    @classmethod
    def of_part(cls, part: keras.Model, penalty: Penalty, start: Start, cut: str | None) -> PenaltyModel:
        """Makes the model for the part of a network from a cut on; for all of it without one."""
        found = cls.__new__(cls)
        found._begin(part, penalty, start, cut)
        return found

    def _begin(self, model: keras.Model, penalty: Penalty, start: Start, cut: str | None) -> None:
        super().__init__(inputs=model.input, outputs=model.output, name=f"keeping_{model.name}")
        features, maps = _inside(model)
        before = start.part(cut)
        maps_before = _inside(before)[1]
        # in __dict__, because Keras would track them as parts of this model
        self.__dict__.update(
            model=model,
            _penalty=penalty,
            _start=start,
            _before=before,
            _maps_before=keras.Model(before.input, maps_before) if maps else None,
            _whole=keras.Model(model.input, [*self.outputs, *features, *maps]),
            _has_features=bool(features),
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Runs the network, and in training adds the penalty to the losses."""
        if not training:
            return super().call(inputs, training=training, mask=mask)
        found = self._whole(inputs, training=True)
        outputs, *inside = found if isinstance(found, (list, tuple)) else [found]
        features = tf.cast(inside.pop(0), tf.float32) if self._has_features else None

        def maps() -> list[tuple[Any, Any]]:
            if self._maps_before is None:
                return []
            before = self._maps_before(inputs, training=False)
            before = before if isinstance(before, (list, tuple)) else [before]
            pairs = (
                (tf.cast(now, tf.float32), tf.cast(then, tf.float32)) for now, then in zip(inside, before, strict=True)
            )
            return [(now, tf.stop_gradient(then)) for now, then in pairs]

        weights, head = [], []
        for now, then in zip(self.weights, self._before.weights, strict=True):
            if now.trainable and id(now) in self._start.head:
                head.append(as_stored(now))
            elif now.trainable:
                weights.append((as_stored(now), as_stored(then)))
        penalty = self._penalty.loss(Step(weights, head, features if weights else None, maps))
        keras.layers.Layer.add_loss(self, penalty)  # that of a functional model is not made
        return outputs


def _inside(model: keras.Model) -> tuple[list[keras.KerasTensor], list[keras.KerasTensor]]:
    """Returns the pooled vectors of a model, none if it begins with them, and what is at the ends of its stages."""
    made = {node.operation: node.output_tensors[0] for node in nodes(model)}
    features = [tensor for layer, tensor in made.items() if layer.name == _FEATURES]
    return features, [made[mark] for mark in marks_of_stages(model)]
