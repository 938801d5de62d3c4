"""check_batch_norm: finds BatchNorm layers whose statistics `fit` updates despite `training=False`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
from keras import layers

from keras_transfer._arguments import takes
from keras_transfer._checks import InputError
from keras_transfer._keras.behaviour import keeps_training_false
from keras_transfer._keras.graph import functional, nodes
from keras_transfer._keras.still import layers_inside
from keras_transfer.models.stages import MODEL


@dataclass(frozen=True)
class BatchNormCheck:
    """The BatchNorm layers of a model that were called with `training=False`, sorted by what `fit` does to them.

    Attributes:
        moving: names of the layers whose statistics the next `fit` updates.
        waiting: names of the layers that are frozen now, and whose statistics `fit` will update once they are unfrozen.
        still: names of the layers whose statistics never change, because the installed Keras keeps `training=False`.
    """

    moving: tuple[str, ...]
    waiting: tuple[str, ...]
    still: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.still:
            return f"{_count(self.still)} stay still: this Keras keeps training=False. Earlier releases update them."
        if not self.moving and not self.waiting:
            return "No BatchNorm layer was called with training=False. Those that are trainable learn, as in any model."
        lines = []
        if self.moving:
            lines.append(
                f"{_count(self.moving)} will move in fit, although called with training=False: fit overrides it."
            )
        if self.waiting:
            lines.append(f"{_count(self.waiting)} are frozen now, and will move when they are unfrozen.")
        lines.append(
            "Keep them still: after `base.trainable = True` set `layer.trainable = False` for each BatchNormalization "
            "layer, then compile. Or pass the network to keras_transfer.build_model, which keeps them still by itself."
        )
        return "\n".join(lines)


@takes(model=MODEL)
def check_batch_norm(model: keras.Model) -> BatchNormCheck:
    """Finds BatchNorm layers whose statistics change in training, although the model calls `base(x, training=False)`.

    Keras' guide to transfer learning builds models with this call. Up to Keras 3.15.1 it does not work: in `fit` the
    outer model runs with training=True, which overrides the argument (keras #20285). Every BatchNorm layer of the base
    that is trainable then updates its statistics. Later releases keep the argument (PR #23364). A small experiment
    finds out what the installed Keras does.

    Args:
        model: any functional or Sequential model. In a model of `build_model` there are no such layers.

    Returns:
        The names of the layers. Printed, the result also describes how to keep the statistics fixed.

    Raises:
        InputError: if the model is subclassed, so that its calls are not known.

    Example:
        >>> base = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization(name="norm")])
        >>> images = keras.Input((8, 8, 3))
        >>> model = keras.Model(images, base(images, training=False))
        >>> found = check_batch_norm(model)
        >>> found.moving or found.still
        ('norm',)
    """
    graph = functional(model)
    if graph is None:
        raise InputError(f"Expected a functional or Sequential model. Received: {type(model).__name__}.")
    pinned = list({id(layer): layer for layer in _pinned(graph)}.values())
    if keeps_training_false():
        return BatchNormCheck((), (), tuple(layer.name for layer in pinned))
    moving = [layer.name for layer in pinned if layer.trainable]
    return BatchNormCheck(tuple(moving), tuple(layer.name for layer in pinned if not layer.trainable))


def _pinned(model: keras.Model) -> Iterator[layers.BatchNormalization]:
    """Yields the BatchNorm layers that run in a call with training=False, also those in nested models."""
    for node in nodes(model):
        if node.arguments.kwargs.get("training") is False:
            inside = layers_inside(node.operation) if isinstance(node.operation, layers.Layer) else ()
            yield from (layer for layer in inside if isinstance(layer, layers.BatchNormalization))
        elif (inner := functional(node.operation)) is not None:
            yield from _pinned(inner)


def _count(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} BatchNorm layer{'s' if len(names) > 1 else ''} ({listed})"
