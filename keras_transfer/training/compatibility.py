"""Compatibility: whether data fits a model, checked before anything is trained."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_transfer._checks import DataWarning, InputError
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.origins import check_class_order
from keras_transfer.models.saving import check_file
from keras_transfer.models.stages import check_one_way, stages
from keras_transfer.tasks import TASKS, Classification, SeveralLabels, task_of_labels, task_of_model

_ANSWERS = (  # by the axes of a task: what gives its answers, and what they are
    ("a head for one answer an example, such as head='linear'", "one answer an example"),
    ("pooling=None", "an answer a token"),
    ("a head for every pixel, such as head='fpn'", "an answer a pixel"),
)


def check_fit(model: keras.Model, data: LabelledData) -> None:
    """Raises InputError unless the data has the model's classes and takes its form."""
    if not isinstance(data, LabelledData):
        raise InputError(f"Expected `data` from kt.data, such as kt.data.from_directory(...). Received: {data!r}.")
    stages(model)
    check_one_way(model)
    if isinstance(model.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise InputError(
            "Expected a strategy for one machine, such as MirroredStrategy. Received: MultiWorkerMirroredStrategy, "
            "with which `fit` of Keras 3 fails (keras #20585)."
        )
    outputs = model.output_shape[-1]
    if outputs != data.num_classes and not yes_or_no(model, data):
        raise InputError(
            f"Expected a model with {data.num_classes} outputs, one for each class of the data. Received: {outputs}. "
            "Build it with num_classes=data.num_classes; kt.extend adds classes to a trained one."
        )
    remedy = "Bring the data into the model's order: data = data.with_classes(model.class_names)."
    check_class_order(model, data.class_names, remedy)
    data.kind.check_model(model)


def check_callbacks(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Raises InputError for a checkpoint of the model in a file that could not be read again."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_weights_only:
            check_file(model, callback.filepath)


def note_autologging() -> None:
    """Warns if MLflow's autolog watches `fit`: each segment of a training is a run of its own for it."""
    watching = sys.modules.get("mlflow.utils.autologging_utils")
    if watching is None or "mlflow.tensorflow" not in sys.modules or watching.autologging_is_disabled("tensorflow"):
        return
    warnings.warn(
        "MLflow's autolog takes each phase for a run of its own, and in a run of yours it stops after the first. "
        "Switch it off, and pass callbacks=[mlflow.tensorflow.MlflowCallback()] within mlflow.start_run().",
        DataWarning,
        stacklevel=3,
    )


def yes_or_no(model: keras.Model, data: LabelledData) -> bool:
    """Returns whether one sigmoid output tells two classes apart: it is the probability of the second one."""
    one_class = data.task is TASKS.find(Classification.name) and data.num_classes == 2
    return one_class and model.output_shape[-1] == 1 and task_of_model(model) is TASKS.find(SeveralLabels.name)


def check_labels(model: keras.Model, data: LabelledData) -> None:
    """Raises InputError unless labels and activation mean the same; Keras would fail late or, worse, broadcast."""
    wanted, built = task_of_labels(data.splits["train"].labels), task_of_model(model)
    if built is None or built.axes != wanted.axes:
        has = "none that is known" if built is None else f"one with {_ANSWERS[built.axes][1]}"
        raise InputError(
            f"Expected a model built with {_ANSWERS[wanted.axes][0]} for {wanted.said_of_labels}. Received: {has}."
        )
    if built is not wanted and not yes_or_no(model, data):
        activation = model.get_layer("predictions").activation.__name__
        raise InputError(
            f"Expected activation={wanted.activation!r} for {wanted.said_of_labels}. "
            f"Received: activation={activation!r}."
        )
