"""check_batch_norm: which BatchNorm layers of any model will move in `fit` although they were meant to be still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
from keras import layers

from keras_transfer._checks import InputError
from keras_transfer._graph import nodes


@dataclass(frozen=True)
class BatchNormCheck:
    """BatchNorm layers that were called with `training=False`, by what `fit` does to them.

    Attributes:
        moving: names of those whose statistics move in the next `fit`.
        waiting: names of those that are frozen now and will move when they are unfrozen.
    """

    moving: tuple[str, ...]
    waiting: tuple[str, ...]

    def __str__(self) -> str:
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


def check_batch_norm(model: keras.Model) -> BatchNormCheck:
    """Finds BatchNorm layers that `base(x, training=False)` was meant to keep still.

    Keras' guide to transfer learning builds models this way. But the argument does not last: in `fit` the outer model
    runs with training=True and overrides it (keras #20285, in all releases up to 3.15.1), so that the statistics of
    every trainable BatchNorm layer move as soon as the base is unfrozen.

    Args:
        model: any functional or Sequential model; a model of `build_model` has nothing to find.

    Returns:
        The layers by name; printed, it says what to do.

    Raises:
        InputError: for a subclassed model, whose calls cannot be seen.

    Example:
        >>> base = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.BatchNormalization(name="norm")])
        >>> images = keras.Input((8, 8, 3))
        >>> model = keras.Model(images, base(images, training=False))
        >>> check_batch_norm(model).moving
        ('norm',)
    """
    if isinstance(model, keras.Sequential) and model._functional is not None:
        model = model._functional
    if not hasattr(model, "_nodes_by_depth"):
        raise InputError(f"Expected a functional or Sequential model. Received: {type(model).__name__}.")
    pinned = list({id(layer): layer for layer in _pinned(model)}.values())
    moving = [layer.name for layer in pinned if layer.trainable]
    return BatchNormCheck(tuple(moving), tuple(layer.name for layer in pinned if not layer.trainable))


def _pinned(model: keras.Model) -> Iterator[layers.BatchNormalization]:
    """Yields BatchNorm layers in calls with training=False, also in models inside the model."""
    for node in nodes(model):
        if node.arguments.kwargs.get("training") is False:
            inside = node.operation._flatten_layers() if isinstance(node.operation, layers.Layer) else ()
            yield from (layer for layer in inside if isinstance(layer, layers.BatchNormalization))
        elif hasattr(node.operation, "_nodes_by_depth"):
            yield from _pinned(node.operation)


def _count(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} BatchNorm layer{'s' if len(names) > 1 else ''} ({listed})"
