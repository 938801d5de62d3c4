"""Tasks: what a model is trained for, the loss and metrics that fit, and whether data fits the model."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data import ImageData
from keras_transfer.models.heads import DEFAULT_LOSSES
from keras_transfer.models.stages import stages

_UNEVEN = 1.5  # largest class over smallest from which class weights are worth their noise


def default_loss(model: keras.Model, labels: tf.TensorSpec | None = None) -> str:
    """Returns the loss that fits the activation of the layer `predictions`, and the form of the labels if given."""
    loss = DEFAULT_LOSSES[model.get_layer("predictions").activation.__name__]
    shares = labels is not None and labels.shape.rank == 2 and loss == "sparse_categorical_crossentropy"
    return "categorical_crossentropy" if shares else loss


def default_metrics(model: keras.Model) -> list[str]:
    """Returns what a reader wants to see beside the loss."""
    return ["mean_absolute_error" if default_loss(model) == "mean_squared_error" else "accuracy"]


def check_fit(model: keras.Model, data: ImageData) -> None:
    """Raises InputError unless the data has the model's classes and image size."""
    if not isinstance(data, ImageData):
        raise InputError(f"Expected `data` from kt.data, such as kt.data.from_directory(...). Received: {data!r}.")
    stages(model)
    outputs, size = model.output_shape[-1], tuple(model.input_shape[1:3])
    if outputs != data.num_classes:
        raise InputError(
            f"Expected a model with {data.num_classes} outputs, one for each class of the data. Received: {outputs}. "
            "Build it with num_classes=data.num_classes."
        )
    if size != tuple(data.image_size):
        raise InputError(
            f"Expected images of the model's size {size}. Received: data with image_size={data.image_size}. "
            "Give both the same image_size."
        )


def check_labels(model: keras.Model, data: ImageData) -> None:
    """Raises InputError unless labels and activation mean the same; Keras would fail late or, worse, broadcast."""
    activation = model.get_layer("predictions").activation.__name__
    labels = data.splits["train"].labels
    fitting, what = "softmax", "one class an image"
    if labels.dtype.kind == "f":
        fitting, what = "linear", "labels that are floats"
    elif labels.ndim == 2:
        fitting, what = "sigmoid", "several labels an image"
    if activation != fitting:
        raise InputError(f"Expected activation={fitting!r} for {what}. Received: activation={activation!r}.")


def class_weights(
    class_weight: str | dict[int, float] | None, labels: np.ndarray, verbose: str | int
) -> dict[int, float] | None:
    """Returns the weight of each class that an argument asks for; None for none.

    Args:
        class_weight: "auto", "balanced", None, or the weights.
        labels: of the training images, int `(count,)`; those of other forms have no common weight.
        verbose: 0 to say nothing.

    Raises:
        InputError: if the argument is unknown.
    """
    from sklearn.utils.class_weight import compute_class_weight

    if class_weight is None or isinstance(class_weight, dict):
        return class_weight
    if class_weight not in ("auto", "balanced"):
        raise InputError(f"Expected `class_weight` 'auto', 'balanced', None or a dict. Received: {class_weight!r}.")
    if labels.ndim == 2:
        return None
    present, counts = np.unique(labels, return_counts=True)
    if class_weight == "auto" and max(counts) < _UNEVEN * min(counts):
        return None
    if verbose:
        print(f"classes weigh the same in training: they have {min(counts)} to {max(counts)} images")
    weights = compute_class_weight("balanced", classes=present, y=labels)
    return {int(label): float(weight) for label, weight in zip(present, weights, strict=True)}
