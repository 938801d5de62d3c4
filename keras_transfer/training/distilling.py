"""distill: a small network learns from the answers of a large one, or of several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Kind, Number, Whole, takes
from keras_transfer._checks import DataError, InputError
from keras_transfer._logging import say
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.data.examples import Examples
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.engines import Runner
from keras_transfer.engines.choosing import TENSORFLOW
from keras_transfer.models.origins import classes_of
from keras_transfer.models.stages import MODEL, stages
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.parts import HEAD
from keras_transfer.schedules.phases import SOLVE, Phase
from keras_transfer.schedules.rates import Rate
from keras_transfer.tasks import TASKS, Classification, task_of_model
from keras_transfer.training.compatibility import check_callbacks, check_fit
from keras_transfer.training.fine_tuning import train_by
from keras_transfer.training.options import Options, phases_of
from keras_transfer.training.solving import can_solve
from keras_transfer.training.teaching import DistillationLoss, Teaching

_HEAD, _TUNED = Phase(5, HEAD, 3e-3), (6, 3, 3e-4)
TEACHER = MODEL | Kind(
    lambda value: (
        isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(x, keras.Model) for x in value)
    ),
    "a list of these",
)
DATA = Kind(LabelledData, "data of kt.data, such as from_directory returns")


@takes(teacher=TEACHER, student=MODEL, data=DATA, unlabelled=DATA | None, weight=Number(0, 1), views=Whole(1))
def distill(
    teacher: keras.Model | Sequence[keras.Model],
    student: keras.Model,
    data: ImageData,
    unlabelled: ImageData | None = None,
    *,
    temperature: float = 2.0,
    weight: float = 0.9,
    views: int = 1,
    schedule: str | Schedule | Sequence[Phase] | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    rate: str | Rate | None = "warmup_cosine",
    patience: int | None = None,
    cache: str | bool | Cache = "auto",
    resume_dir: str | os.PathLike[str] | None = None,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains a small model to answer as a large one does, or as several do on average.

    What a teacher says of an image tells more than its label, and it can say it of images without labels. Its answers
    are computed once, before training. The student is then trained as by `fine_tune`, and stays a plain model.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015), https://arxiv.org/abs/1503.02531.

    Args:
        teacher: a trained model with softmax, or a list of them, whose probabilities are averaged. It gets the images
            in its own size: augmented ones are the student's, resized.
        student: a model made by `build_model`; it is trained in place and stays compiled.
        data: images with labels, read for the student. Its validation images choose the best epoch, by their labels.
        unlabelled: more images, of which the teacher alone says what is on them, such as `kt.data.unlabelled` reads.
            All of its splits are used, and its labels are not looked at. They are read as `data` is.
        temperature: by which logits are divided for the teacher's share of the loss, above 0.
        weight: of the teacher in the loss, in [0, 1]; the rest is the label's.
        views: number of augmented views of each image, if `data` is augmented. Teacher and student see the same views.
        schedule: as in `fine_tune`. By default the head is solved on the teacher's answers, where it can be, and three
            stages are trained from there for six epochs at 3e-4.
        epochs: number of epochs of a schedule by name, 10 by default.
        learning_rate: of the first phase of a schedule by name, 3e-3 by default.
        optimizer: as in `fine_tune`.
        callbacks: Keras callbacks.
        rate: as in `fine_tune`.
        patience: as in `fine_tune`.
        cache: as in `fine_tune`; the number of its views is that of `views`.
        resume_dir: as in `fine_tune`. The teacher's answers are part of the run.
        verbose: as in Keras' `fit`.

    Returns:
        The History, as of `fine_tune`. Its training accuracy is how often the student says what the teacher says.

    Raises:
        InputError: if the teacher has other classes or no softmax, or the images do not go together.
        DataError: if the labels are not one class an image, or the teacher's answers are not numbers.
    """
    check_fit(student, data)
    check_callbacks(student, callbacks)
    if not temperature > 0:
        raise InputError(f"Expected `temperature` above 0. Received: temperature={temperature!r}.")
    if data.task is not TASKS.find(Classification.name) or task_of_model(student) is not data.task:
        raise DataError("Expected one class an image, and a student with softmax, to distil. Received: another task.")
    if views > 1 and not data.augmented:
        raise InputError(f"Expected augmented images, to have views of. Received: views={views}, augment='none'.")
    teachers = list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]
    for each in teachers:
        _check_teacher(each, data)
    count = len(data.splits["train"])
    every = data if unlabelled is None else _with_unlabelled(data, unlabelled)
    engine = "auto" if resume_dir is None else TENSORFLOW  # whose numbers are the same when the run goes on
    each_of = [_answers(each, every, views, engine, verbose) for each in teachers]
    answers = np.asarray(np.mean(each_of, axis=0, dtype=np.float64), np.float32)
    if not np.isfinite(answers).all():
        raise DataError("Expected a teacher that answers with numbers. Received: not a number, for some image.")
    said = answers.mean(axis=0).argmax(axis=1)
    labels = np.concatenate([data.splits["train"].labels, said[count:]])
    known = np.eye(data.num_classes, dtype=np.float32)[labels]
    known[count:] = 0
    teaching = Teaching(DistillationLoss(temperature, weight), known, answers, _names(teachers))
    splits = {**every.splits, "train": replace(every.splits["train"], labels=labels)}
    taught = replace(every, splits=splits, targets=teaching.targets)
    if verbose:
        right = float((said[:count] == labels[:count]).mean())
        more = f" and {len(labels) - count:,} without labels" if unlabelled is not None else ""
        say(f"teacher: right on {right:.1%} of {count:,} training images{more}")
    options = Options(
        optimizer=optimizer,
        callbacks=callbacks,
        class_weight=None,
        rate=rate,
        patience=patience,
        cache=_cache_of(cache, views if data.augmented else 0),
        resume_dir=resume_dir,
        verbose=verbose,
    )
    names = stages(student)
    if schedule is None and epochs is None and learning_rate is None:
        epochs_tuned, most, tuned_rate = _TUNED
        head = Phase(SOLVE, HEAD) if can_solve(student) else _HEAD
        schedule = (head, Phase(epochs_tuned, min(most, len(names)), tuned_rate))
    return train_by(student, taught, phases_of(schedule, epochs, learning_rate, names), options, teaching)


def _check_teacher(teacher: keras.Model, data: LabelledData) -> None:
    """Raises InputError unless a teacher answers with a probability for each class of the data."""
    if task_of_model(teacher) is not TASKS.find(Classification.name):
        raise InputError(f"Expected a teacher with activation='softmax'. Received: {teacher.name!r} with another.")
    names, outputs = classes_of(teacher), teacher.output_shape[-1]
    if outputs != data.num_classes or (names is not None and set(names) != set(data.class_names)):
        theirs = f"{outputs} classes" if names is None else f"the classes {list(names[:20])}"
        raise InputError(
            f"Expected a teacher of the classes of the data, {list(data.class_names[:20])}. Received: one of {theirs}. "
            "Train it on them first."
        )


def _names(teachers: Sequence[keras.Model]) -> str:
    """Returns what tells teachers from others: a hash of their weights."""
    found = blake2b(digest_size=16)
    for weight in (weight for teacher in teachers for weight in teacher.get_weights()):
        found.update(np.ascontiguousarray(weight).data)
    return found.hexdigest()


def _with_unlabelled(data: ImageData, unlabelled: ImageData) -> ImageData:
    """Returns data whose training images are followed by others, which have the label 0."""
    found = data.splits["train"]
    for examples in unlabelled.splits.values():
        more = replace(examples, labels=np.zeros(len(examples), found.labels.dtype), groups=None)
        if not _go_together(found, more):
            raise InputError(
                "Expected `unlabelled` images of the same kind as `data`: both files, or both arrays of one size and "
                f"dtype. Received: {found.items.dtype} {found.items.shape} and {more.items.dtype} {more.items.shape}."
            )
        found = replace(found, groups=None).followed_by(more)
    return replace(data, splits={**data.splits, "train": found})


def _go_together(first: Examples, second: Examples) -> bool:
    def kind(examples: Examples) -> tuple[Any, ...]:
        items = examples.items
        return examples.in_files, examples.encoded, items.shape[1:], items.dtype if items.ndim > 1 else None

    return kind(first) == kind(second)


def _answers(teacher: keras.Model, data: ImageData, views: int, engine: str, verbose: str | int) -> np.ndarray:
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


def _cache_of(cache: str | bool | Cache, views: int) -> str | bool | Cache:
    """Returns the cache with as many views as the teacher saw."""
    if cache is False or not views:
        return cache
    return replace(cache, views=views) if isinstance(cache, Cache) else Cache(str(cache), views=views)
