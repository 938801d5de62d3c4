"""fine_tune: a pretrained model and labelled images in, a trained model and its History out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras.callbacks import CallbackList

from keras_transfer._checks import InputError, positive
from keras_transfer.caching import Cache
from keras_transfer.callbacks import UnfreezeSchedule
from keras_transfer.data import ImageData
from keras_transfer.data.notes import note_changed
from keras_transfer.heads import DEFAULT_LOSSES
from keras_transfer.models import stages
from keras_transfer.optimizers import leaves
from keras_transfer.phases import Phase, starts
from keras_transfer.rates import Rate
from keras_transfer.refitting import fit_optimizer, fresh_optimizer
from keras_transfer.resuming import Resume, identity
from keras_transfer.schedules import Schedule, plan
from keras_transfer.segments import fit_segments, plan_segments, trained_part

_UNEVEN = 1.5  # largest class over smallest from which class weights are worth their noise


def fine_tune(
    model: keras.Model,
    data: ImageData,
    *,
    schedule: str | Schedule | Sequence[Phase] = "gradual",
    epochs: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    loss: str | keras.losses.Loss | None = None,
    metrics: Sequence[Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: str | dict[int, float] | None = "auto",
    rate: str | Rate | None = "constant",
    patience: int | None = None,
    train_batch_norm: bool = False,
    cache: str | bool | Cache = "auto",
    resume_dir: str | os.PathLike[str] | None = None,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains a model by the phases of a schedule, and ends with the weights of its best epoch.

    All phases are one training: epochs are continuous, and optimizer and callbacks keep their state. What is frozen
    runs once and is kept (see `Cache`); the open part trains on what it gave, in the same batches and with the same
    result. The best epoch is that of the lowest validation loss; with an optimizer that averages weights (`use_ema`),
    of the averages.

    Args:
        model: a model made by `build_model`; trained in place and left compiled.
        data: images with labels; its classes are those of the model.
        schedule: name in `kt.available("schedule")`, a function of the same form, or a tuple of `Phase`.
        epochs: epochs of all phases together, 10 by default; not with a tuple of phases.
        learning_rate: rate of the first phase, 3e-3 by default; not with a tuple of phases.
        optimizer: name or object, of which the settings are used and nothing else; its rate is that of the phases,
            unless it is a schedule object of Keras.
        loss: by default the one that fits the model's activation: cross-entropy for softmax and sigmoid, squared
            error for linear.
        metrics: by default accuracy, or mean absolute error for a linear activation.
        callbacks: any of Keras' own or yours.
        class_weight: "auto" weighs classes evenly if the largest has 1.5 times the images of the smallest or more,
            and says so; "balanced" always does; None never; or a weight for each label.
        rate: how the learning rate moves within each phase: name in `kt.available("rate")` or a function from progress
            in [0, 1) to a factor; None leaves the learning rate to the optimizer and to `callbacks`.
        patience: epochs without a better validation loss after which training ends early; None to train them all.
        train_batch_norm: also train BatchNorm in open stages; see `set_trainable`.
        cache: where the activations of the frozen part are kept: "auto", "memory", "disk", a `Cache` with further
            settings, or False to compute them in every epoch. While images are augmented, `Cache(views=...)` is needed.
        resume_dir: folder in which the run is kept after each epoch. A run that was killed goes on from there when
            the same call is made again, and ends with the weights it would have had; one that is finished gives its
            result at once. Of one run alone; delete it to train again.
        verbose: as in Keras' `fit`: "auto", 0, 1 or 2.

    Returns:
        The History of all phases; `history.phases` holds them, and `history.boundaries` the first epoch of each phase
        after the first, from 0.

    Raises:
        InputError: if model and data do not fit, an argument is unknown or out of range, or `resume_dir` holds
            another run.
    """
    _check_fit(model, data)
    kept = _cache(cache)
    if isinstance(schedule, str) or callable(schedule):
        epochs = 10 if epochs is None else epochs
        learning_rate = 3e-3 if learning_rate is None else learning_rate
    phases = plan(schedule, epochs, learning_rate, stages(model))
    total = starts(phases)[-1]
    unfreeze = UnfreezeSchedule(phases, train_batch_norm=train_batch_norm, rate=rate)
    if patience is not None:
        positive("patience", patience, whole=True)
    if loss is None:
        _check_labels(model, data)

    def compile_as(part: keras.Model, steps: int = 1, optimizer: keras.optimizers.Optimizer | None = None) -> None:
        part.compile(
            steps_per_execution=steps,
            optimizer=optimizer or model.optimizer,
            loss=loss or default_loss(model, data.train.element_spec[1]),
            metrics=list(metrics) if metrics is not None else default_metrics(model),
        )

    compile_as(model, optimizer=fresh_optimizer(keras.optimizers.get(optimizer), model))
    history = keras.callbacks.History()
    every = [unfreeze, _EpochOrder(data)]
    if any(leaf.use_ema for leaf in leaves(model.optimizer)):
        every.insert(0, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))  # validate, and choose by, the averages
    if "validation" in data.splits:
        every.append(_BestEpoch(trained_part(model, phases), patience or total))
    every += [*callbacks, history]
    first = 0
    weights = _class_weight(class_weight, data, verbose)
    if resume_dir is not None:
        settings = [patience, train_batch_norm, weights, rate, loss, list(metrics or ())]
        resume = Resume(Path(resume_dir), identity(model, data, phases, settings), every)
        first = resume.epoch if not resume.finished else total
        if first and verbose:
            print(f"{resume_dir}: {'finished' if resume.finished else 'going on'} after epoch {resume.epoch}")
        if resume.finished:
            every = [own for own in every if own not in callbacks]  # nothing happens that they could note
        every.append(resume)
    try:
        together = CallbackList(
            every, add_progbar=bool(verbose), model=model, verbose=verbose, epochs=total, steps=len(data.train)
        )
        segments = plan_segments(model, data, phases, kept, first=first, verbose=verbose)
        fit_segments(model, segments, together, first=first, compile_part=compile_as, class_weight=weights)
    finally:
        note_changed(data)
        if unfreeze.phases:
            fit_optimizer(model)  # also when it is interrupted: the model can be saved, and trained on
    model.history = history
    history.boundaries = unfreeze.began[1:]
    history.phases = unfreeze.phases
    return history


def default_loss(model: keras.Model, labels: tf.TensorSpec | None = None) -> str:
    """Returns the loss that fits the activation of the layer `predictions`, and the form of the labels if given."""
    loss = DEFAULT_LOSSES[model.get_layer("predictions").activation.__name__]
    shares = labels is not None and labels.shape.rank == 2 and loss == "sparse_categorical_crossentropy"
    return "categorical_crossentropy" if shares else loss


def default_metrics(model: keras.Model) -> list[str]:
    """Returns what a reader wants to see beside the loss."""
    return ["mean_absolute_error" if default_loss(model) == "mean_squared_error" else "accuracy"]


class _EpochOrder(keras.callbacks.Callback):
    """Ties order and augmentation of the data to the epoch's number."""

    def __init__(self, data: ImageData):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.data.start_epoch(epoch)


class _BestEpoch(keras.callbacks.EarlyStopping):
    """Ends with the weights of the best epoch, of which it keeps those alone that training changes.

    Args:
        part: of the model, with all of the weights that any phase changes.
        patience: epochs without a better one.
    """

    def __init__(self, part: keras.Model, patience: int):
        super().__init__(patience=patience, restore_best_weights=True)
        self._part = part

    def set_model(self, model: keras.Model) -> None:
        super().set_model(self._part)
        self._whole = model

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._part.stop_training = False
        super().on_epoch_end(epoch, logs)
        self._whole.stop_training |= self._part.stop_training


def _cache(cache: str | bool | Cache) -> Cache | None:
    if cache is False or isinstance(cache, Cache):
        return cache or None
    if not isinstance(cache, str):
        raise InputError(f"Expected `cache` 'auto', 'memory', 'disk', a Cache or False. Received: cache={cache!r}.")
    return Cache(cache)


def _check_fit(model: keras.Model, data: ImageData) -> None:
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


def _check_labels(model: keras.Model, data: ImageData) -> None:
    """Labels and activation must mean the same; Keras would fail late or, worse, broadcast."""
    activation = model.get_layer("predictions").activation.__name__
    labels = data.splits["train"].labels
    fitting, what = "softmax", "one class an image"
    if labels.dtype.kind == "f":
        fitting, what = "linear", "labels that are floats"
    elif labels.ndim == 2:
        fitting, what = "sigmoid", "several labels an image"
    if activation != fitting:
        raise InputError(f"Expected activation={fitting!r} for {what}. Received: activation={activation!r}.")


def _class_weight(
    class_weight: str | dict[int, float] | None, data: ImageData, verbose: str | int
) -> dict[int, float] | None:
    if class_weight is None or isinstance(class_weight, dict):
        return class_weight
    if class_weight not in ("auto", "balanced"):
        raise InputError(f"Expected `class_weight` 'auto', 'balanced', None or a dict. Received: {class_weight!r}.")
    if data.splits["train"].labels.ndim == 2:  # several labels at once have no common weight
        return None
    counts = data.counts["train"].values()
    if class_weight == "auto" and max(counts) < _UNEVEN * min(counts):
        return None
    if verbose:
        print(f"classes weigh the same in training: they have {min(counts)} to {max(counts)} images")
    return data.class_weights
