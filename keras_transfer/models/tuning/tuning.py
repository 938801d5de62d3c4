"""Tuning: the base class of what little of a network is trained, and how it comes into a model and out of it.

An Identity layer named `tuning_NAME` before the end of the first stage tells the tuning of a model. Layers that a
tuning adds have names that begin with `tuning_` too. A reloaded model therefore still has its tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import keras
import numpy as np
from keras import layers

from keras_transfer._arguments import Part, takes
from keras_transfer._checks import InputError
from keras_transfer._keras.still import hold_still, layers_inside
from keras_transfer._registry import Registry
from keras_transfer.models.copies import copy_model
from keras_transfer.models.origins import TUNED_BY
from keras_transfer.models.stages import MODEL, check_one_way, layers_before, marks_of_stages
from keras_transfer.schedules.parts import HEAD

ADDED = "tuning_"  # starts the names of the layers that tunings add


class Tuning:
    """What little of a network is trained. A tuning of your own is a subclass that is registered.

    Attributes:
        name: by which it is registered.
        folds: whether what it adds can be computed into the weights of the network, so that nothing is left of it.
    """

    name: str = ""
    folds: bool = True

    def call(self, operation: keras.Operation, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Applies an operation of the backbone in the tuned copy, and what is added behind it.

        Args:
            operation: of the copy.
            model: the network before.
            *args: of the call, with keyword arguments.
        """
        return operation(*args, **kwargs)

    def configured(self, config: Any, model: keras.Model) -> Any:
        """Returns the config that an operation of the model has in the tuned copy."""
        return config

    def prepare(self, layer: layers.Layer) -> None:
        """Changes a layer of the backbone in the tuned copy."""

    def revive(self, layer: layers.Layer) -> None:
        """Makes a layer that is about to be trained able to learn again, without changing what it gives."""

    def opened(self, layer: layers.Layer) -> Sequence[keras.Variable]:
        """Returns the variables of a layer of the backbone that are trained, none of layers inside it."""
        return layer.variables if layer.name.startswith(ADDED) else ()

    def plain_call(self, operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        """Applies an operation of the tuned network in the folded copy, or passes over it."""
        return operation(*args, **kwargs)

    def plain_config(self, config: Any, model: keras.Model) -> Any:
        """Returns the config that an operation of the tuned network has in the folded copy."""
        return config

    def plain_weights(self, layer: layers.Layer, model: keras.Model) -> list[np.ndarray]:
        """Returns the weights that a layer of the tuned network has in the folded copy."""
        return layer.get_weights()

    def values(self) -> dict[str, Any]:
        """Returns the arguments that the tuning was made with, by their names."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"


TUNINGS: Registry[type[Tuning]] = Registry("tuning", lambda part: isinstance(part, Tuning), "a Tuning")
TUNING = Part(TUNINGS)


def find_tuning(tuning: str | Tuning) -> Tuning:
    """Returns the tuning of that name with its default values, or the object."""
    return tuning if isinstance(tuning, Tuning) else cast(Any, TUNINGS.find(tuning))()


@takes(model=MODEL, tuning=TUNING)
def tuned(model: keras.Model, tuning: str | Tuning) -> keras.Model:
    """Returns a copy of a model of which little is trained, and which gives exactly the same numbers at first.

    `set_trainable`, and so every schedule, then opens only what the tuning trains in the stages that it opens, and the
    head. BatchNorm keeps its statistics, also with `train_batch_norm`. All other layers of the network are still: their
    weights and statistics stay, and they run as in inference.

    Args:
        model: a model made by `build_model`; it stays as it is.
        tuning: name in `kt.available("tuning")`, with its default values, or an object of `kt.tuning`.

    Returns:
        A functional model of Keras' own layers, with the names and classes that the model knows. It is not compiled.
        `fold` takes the tuning out again, and `export` does so by itself.

    Raises:
        InputError: if the model has a tuning already, or nothing in its network can be tuned so.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> tuned(model, "scale_shift").count_params() - model.count_params()
        5472
    """
    tuning = find_tuning(tuning)
    check_one_way(model)
    first = marks_of_stages(model)
    if not first:
        raise InputError("Expected a model made by keras_transfer.build_model. Received: one without stages.")
    known = tuning_of(model)
    if known is not None:
        raise InputError(
            f"Expected a model without a tuning. Received: one with {known!r}. Call kt.fold(model) first, which "
            "computes it into the weights."
        )
    left = [layer.name for layer in model.layers if layer.name.startswith(ADDED)]
    if left:
        raise InputError(f"Expected a network without adapters. Received: one with {left[0]!r}, which fold has left.")
    if tuning.name == "full":
        return copy_model(model)
    backbone = {layer.name for layer in layers_before(model, HEAD)}

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if operation.name == first[0].name:
            mark = layers.Identity(name=ADDED + tuning.name)
            args = (mark(args[0]), *args[1:])
        if operation.name in backbone:
            return tuning.call(operation, model, *args, **kwargs)
        return operation(*args, **kwargs)

    def configured(config: Any) -> Any:
        return tuning.configured(config, model) if config.get("name") in backbone else config

    copy = copy_model(model, call, configured=configured)
    vars(_mark_of(copy))[TUNED_BY] = tuning
    outer = list({id(layer): layer for layer in layers_before(copy, HEAD)}.values())  # one may be called twice
    inside = [part for layer in outer for part in layers_inside(layer)]
    for part in inside:
        tuning.prepare(part)
    if not any(tuning.opened(part) for part in inside):
        raise InputError(
            f"Expected a network with layers that {tuning!r} reaches. Received: {model.name!r}, with layers of the "
            f"classes {sorted({type(part).__name__ for part in inside if part.weights})}."
        )
    return copy


def tuning_of(model: keras.Model) -> Tuning | None:
    """Returns the tuning of a model; None if it has none.

    Raises:
        InputError: if it has one that is not registered.
    """
    mark = _mark_of(model)
    if mark is None:
        return None
    return vars(mark).get(TUNED_BY) or find_tuning(mark.name.removeprefix(ADDED))


def is_known(model: keras.Model) -> bool:
    """Says whether a tuned model knows the values of its tuning; one that Keras alone has read does not."""
    return TUNED_BY in vars(_mark_of(model))


def recall_tuning(model: keras.Model, values: dict[str, Any]) -> None:
    """Gives a tuned model that was read from a file its tuning."""
    mark = _mark_of(model)
    if mark is None:
        return
    vars(mark)[TUNED_BY] = tuning = cast(Any, TUNINGS.find(mark.name.removeprefix(ADDED)))(**values)
    for layer in layers_before(model, HEAD):
        for part in layers_inside(layer)[1:]:  # of which Keras keeps no config of their own
            tuning.prepare(part)


def _mark_of(model: keras.Model) -> layers.Layer | None:
    marks = [layer for layer in getattr(model, "layers", ()) if isinstance(layer, layers.Identity)]
    return next((layer for layer in marks if layer.name.startswith(ADDED)), None)


@takes(model=MODEL)
def fold(model: keras.Model) -> keras.Model:
    """Returns a copy of a tuned model without its tuning: what was trained is computed into the network's weights.

    The copy has the layers, the size and the speed of the network before it was tuned, and gives the same numbers up to
    rounding. All of it is trainable. Adapters are not linear and stay as layers. A model without a tuning is returned
    as it is.

    Args:
        model: of `tuned`, trained or not.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> fold(tuned(model, "scale_shift")).count_params() == model.count_params()
        True
    """
    tuning = tuning_of(model)
    if tuning is None:
        return model
    mark = _mark_of(model)

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if mark is not None and operation.name == mark.name:
            return args[0]
        return tuning.plain_call(operation, *args, **kwargs)

    copy = copy_model(
        model,
        call,
        configured=lambda config: tuning.plain_config(config, model),
        weights=lambda layer: tuning.plain_weights(layer, model),
    )
    copy.trainable = True  # at every depth, and of every weight
    for layer in layers_inside(copy):
        hold_still(layer, False)
    return copy
