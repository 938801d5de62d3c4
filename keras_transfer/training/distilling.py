"""distill: a small network learns from the answers of a large one, or of several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import VERBOSE, Kind, Number, Whole, takes
from keras_transfer._checks import DataError, InputError
from keras_transfer._logging import say
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.data.examples import Examples
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.engines.choosing import TENSORFLOW
from keras_transfer.models.stages import MODEL, stages
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.parts import HEAD
from keras_transfer.schedules.phases import SOLVE, Phase
from keras_transfer.schedules.rates import Rate
from keras_transfer.tasks import TASKS, Classification, task_of_model
from keras_transfer.training.by_phases import train_by
from keras_transfer.training.compatibility import check_callbacks, check_fit
from keras_transfer.training.options import Options, phases_of
from keras_transfer.training.rule import EPOCHS, RATE, STAGES
from keras_transfer.training.solving import can_solve, check_solves
from keras_transfer.training.teachers import answers_of, check_teacher, told_from_others
from keras_transfer.training.teaching import DistillationLoss, Teaching

_HEAD, _VIEWS = Phase(5, HEAD, 3e-3), 4
TEACHER = MODEL | Kind(
    lambda value: (
        isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(x, keras.Model) for x in value)
    ),
    "a list of these",
)
DATA = Kind(LabelledData, "data of kt.data, such as from_directory returns")


@takes(
    teacher=TEACHER,
    student=MODEL,
    data=DATA,
    unlabelled=DATA | None,
    weight=Number(0, 1),
    views=Whole(1) | None,
    temperature=Number(0, above=True),
    verbose=VERBOSE,
)
def distill(
    teacher: keras.Model | Sequence[keras.Model],
    student: keras.Model,
    data: ImageData,
    unlabelled: ImageData | None = None,
    *,
    temperature: float = 2.0,
    weight: float = 0.9,
    views: int | None = None,
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
            All of its splits are used but for images of `data`, and its labels are not looked at. They are read as
            `data` is.
        temperature: by which logits are divided for the teacher's share of the loss, above 0.
        weight: of the teacher in the loss, in [0, 1]; the rest is the label's.
        views: number of augmented views of each image, if `data` is augmented; 4 by default. Teacher and student see
            the same views, epoch after epoch.
        schedule: as in `fine_tune`. By default the head is solved on the teacher's answers, where it can be, and three
            stages are trained from there for six epochs at 3e-4.
        epochs: number of epochs of a schedule by name, 10 by default.
        learning_rate: of the first phase of a schedule by name, 3e-3 by default.
        optimizer: as in `fine_tune`.
        callbacks: Keras callbacks.
        rate: as in `fine_tune`.
        patience: as in `fine_tune`.
        cache: as in `fine_tune`; it keeps as many views.
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
    data, views = _checked_data(student, data, views)
    teachers = list(teacher) if isinstance(teacher, (list, tuple)) else [teacher]
    for each in teachers:
        check_teacher(each, data)
    options = Options(
        optimizer=optimizer,
        callbacks=callbacks,
        class_weight=None,
        rate=rate,
        patience=patience,
        cache=cache,
        resume_dir=resume_dir,
        verbose=verbose,
    )
    if options.cache_settings and data.augmented:
        options = replace(options, cache=replace(options.cache_settings, views=views))
    names = stages(student)
    if schedule is None and epochs is None and learning_rate is None:
        head = Phase(SOLVE, HEAD) if can_solve(student) else _HEAD
        schedule = (head, Phase(EPOCHS, min(STAGES, len(names)), RATE))
    phases = phases_of(schedule, epochs, learning_rate, names)
    check_solves(student, phases, options)
    count = len(data.splits["train"])
    every = data if unlabelled is None else _with_unlabelled(data, unlabelled, verbose)
    engine = "auto" if resume_dir is None else TENSORFLOW  # whose numbers are the same when the run goes on
    each_of = [answers_of(each, every, views, engine, verbose) for each in teachers]
    answers = np.asarray(np.mean(each_of, axis=0, dtype=np.float64), np.float32)
    if not np.isfinite(answers).all():
        raise DataError("Expected a teacher that answers with numbers. Received: not a number, for some image.")
    said = answers.mean(axis=0).argmax(axis=1)
    labels = np.concatenate([data.splits["train"].labels, said[count:]])
    known = np.eye(data.num_classes, dtype=np.float32)[labels]
    known[count:] = 0
    teaching = Teaching(DistillationLoss(temperature, weight), known, answers, told_from_others(teachers))
    splits = {**every.splits, "train": replace(every.splits["train"], labels=labels)}
    if verbose:
        right = float((said[:count] == labels[:count]).mean())
        more = f" and answers for {len(labels) - count:,} without labels" if unlabelled is not None else ""
        say(f"teacher: right on {right:.1%} of {count:,} training images{more}")
    return train_by(student, replace(every, splits=splits, taught=teaching.taught), phases, options, teaching)


def _checked_data(student: keras.Model, data: ImageData, views: int | None) -> tuple[ImageData, int]:
    """Returns the data with labels as numbers, and the number of its views.

    Raises:
        InputError: if student, data and views do not go together.
    """
    one_class = TASKS.find(Classification.name)
    if data.task is not one_class:
        raise InputError(f"Expected one class an image, to distil. Received: {data.task.said_of_labels}.")
    if task_of_model(student) is not one_class:
        raise InputError("Expected a student with activation='softmax'. Received: one with another activation.")
    if data.mixes:
        raise InputError(
            f"Expected images that are not mixed: a teacher sees single ones. Received: augment={data.augment!r}."
        )
    if views is not None and views > 1 and not data.augmented:
        raise InputError(f"Expected augmented images, to have views of. Received: views={views}, augment='none'.")
    return replace(data, shares=False), views or (_VIEWS if data.augmented else 1)


def _with_unlabelled(data: ImageData, unlabelled: ImageData, verbose: str | int) -> ImageData:
    """Returns data whose training images are followed by others, which have the label 0 and are in no group.

    Images that the data holds itself are left out: those to validate and to test by must not be learnt.
    """
    found, left_out = data.splits["train"], 0
    known = {_named(item) for examples in data.splits.values() for item in examples.items}
    for examples in unlabelled.splits.values():
        if not _go_together(found, examples):
            theirs = examples.items
            raise InputError(
                "Expected `unlabelled` images of the same kind as `data`: both files, or both arrays of one size and "
                f"dtype. Received: {found.items.dtype} {found.items.shape} and {theirs.dtype} {theirs.shape}."
            )
        new = np.array([place for place, item in enumerate(examples.items) if _named(item) not in known], int)
        left_out += len(examples) - len(new)
        groups = None if found.groups is None else found.groups.max(initial=-1) + 1 + np.arange(len(new))
        more = replace(examples.take(new), labels=np.zeros(len(new), found.labels.dtype), groups=groups)
        found = found.followed_by(more)
    if left_out and verbose:
        say(f"unlabelled: {left_out:,} images are among those of `data`, and left out")
    return replace(data, splits={**data.splits, "train": found})


def _named(item: Any) -> bytes:
    """Returns what tells an image from others: its path, or a hash of its content."""
    if isinstance(item, (np.ndarray, bytes)):
        return blake2b(np.ascontiguousarray(item).data if isinstance(item, np.ndarray) else item).digest()
    return os.fsencode(os.path.realpath(item))


def _go_together(first: Examples, second: Examples) -> bool:
    def kind(examples: Examples) -> tuple[Any, ...]:
        items = examples.items
        return examples.in_files, examples.encoded, items.shape[1:], items.dtype if items.ndim > 1 else None

    return kind(first) == kind(second)
