"""extend: more classes for a model that is trained, which keeps what it knows of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_transfer._arguments import Kind, takes
from keras_transfer._checks import InputError
from keras_transfer.models.copies import copy_model
from keras_transfer.models.origins import classes_of, remember_classes
from keras_transfer.models.stages import MODEL, check_one_way, stages

NAMES = Kind(
    lambda value: isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(x, str) for x in value),
    "a list of names",
)


@takes(model=MODEL, class_names=NAMES)
def extend(model: keras.Model, class_names: Sequence[str]) -> keras.Model:
    """Returns a model with more classes, which come after those that it has.

    The weights are copied. The new outputs start at a logit of zero, as those of the head "linear" do. The logits of
    the others stay as they are: with softmax their probabilities keep their ratios, with sigmoid they are the same.
    What is frozen stays frozen.

    Args:
        model: a model made by `build_model`, or reloaded by `load_model`, whose head ends in a dense layer.
        class_names: names of the new classes.

    Returns:
        A new model that is not compiled; `fine_tune` trains it on data with all classes in `model.class_names`, in this
        order (`data.with_classes`).

    Raises:
        InputError: if the model does not know its classes, has one of the new ones, or does not end in a dense layer.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32)
        >>> model.class_names = ("cat", "dog")
        >>> extend(model, ["cow"]).class_names
        ('cat', 'dog', 'cow')
    """
    stages(model)
    check_one_way(model)
    known, count = classes_of(model), model.output_shape[-1]
    if known is None or len(known) != count:
        raise InputError(
            f"Expected a model that knows the names of its {count} classes. Received: {known}. `fine_tune` and "
            "`load_model` tell it, or set model.class_names."
        )
    names = tuple(class_names)
    if len({*known, *names}) != count + len(names):
        raise InputError(f"Expected names of new classes. Received: {list(names)}, with {list(known)} there already.")
    last = _last_dense(model, count)

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if operation.name == last.name:
            operation = layers.Dense.from_config({**last.get_config(), "units": count + len(names)})
        return operation(*args, **kwargs)

    def fitted(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.pad(values, [(0, after - before) for before, after in zip(values.shape, shape, strict=True)])

    longer = copy_model(model, call, fitted)
    remember_classes(longer, (*known, *names))
    return longer


def _last_dense(model: keras.Model, count: int) -> layers.Dense:
    """Returns the last layer with weights, which gives a number for each class."""
    last = [layer for layer in model.layers if layer.weights][-1]
    if not isinstance(last, layers.Dense) or last.units != count:
        raise InputError(
            f"Expected a head that ends in a dense layer of {count} units. Received: {last.name!r}, a "
            f"{type(last).__name__}. Build a model for all classes instead."
        )
    return last
