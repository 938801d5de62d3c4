"""Teachers: trained models that are asked what is on images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data import ImageData
from keras_transfer.engines import Runner
from keras_transfer.models.origins import check_range, classes_of
from keras_transfer.models.stages import check_one_way
from keras_transfer.tasks import TASKS, Classification, task_of_model


def check_teacher(teacher: keras.Model, data: ImageData) -> None:
    """Raises InputError unless a teacher takes such images and answers with a probability for each of their classes."""
    check_one_way(teacher)
    if task_of_model(teacher) is not TASKS.find(Classification.name):
        raise InputError(
            "Expected a teacher whose last layer has activation='softmax', such as Dense(..., activation='softmax'). "
            f"Received: {teacher.name!r}, which ends in {teacher.layers[-1].name!r}."
        )
    shape = teacher.input_shape
    if len(shape) != 4 or shape[3] not in (None, data.channels):
        raise InputError(f"Expected a teacher of images with {data.channels} channels. Received: input shape {shape}.")
    check_range(teacher, data.pixel_range)
    names, outputs = classes_of(teacher), teacher.output_shape[-1]
    if outputs != data.num_classes or (names is not None and set(names) != set(data.class_names)):
        theirs = f"{outputs} classes" if names is None else f"the classes {list(names[:20])}"
        raise InputError(
            f"Expected a teacher of the classes of the data, {list(data.class_names[:20])}. Received: one of {theirs}. "
            "Train it on them first."
        )


def told_from_others(teachers: Sequence[keras.Model]) -> str:
    """Returns what tells teachers from others: a hash of their weights."""
    found = blake2b(digest_size=16)
    for weight in (weight for teacher in teachers for weight in teacher.get_weights()):
        found.update(np.ascontiguousarray(weight).data)
    return found.hexdigest()


def answers_of(teacher: keras.Model, data: ImageData, views: int, engine: str, verbose: str | int) -> np.ndarray:
    """Returns the probabilities of a teacher, float32 `(views, count, num_classes)`, in the data's order of classes."""
    height, width = teacher.input_shape[1:3]
    size = (height or data.image_size[0], width or data.image_size[1])
    seen = data if data.augmented else replace(data, image_size=size)
    total = views * len(data.splits["train"])
    run = Runner(teacher, total, engine, "teacher" if verbose else None)
    progress = keras.utils.Progbar(-(-total // data.batch_size), verbose=1 if verbose == "auto" else int(verbose))
    found, step = [], 0
    for view in range(views):
        with seen.naming_bad_files("train"):
            for images, *_ in seen.in_order("train", epoch=view if data.augmented else None):
                resized = images if tuple(images.shape[1:3]) == size else tf.image.resize(images, size, antialias=True)
                found.append(run(resized)[0])
                progress.update(step := step + 1)
    answers = np.concatenate(found).reshape(views, len(data.splits["train"]), -1)
    names = classes_of(teacher)
    return answers if names is None else answers[..., [names.index(name) for name in data.class_names]]
