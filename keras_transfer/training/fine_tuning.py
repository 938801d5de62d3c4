"""fine_tune: trains a pretrained model on labelled images by the phases of a schedule."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from keras_transfer._checks import InputError
from keras_transfer.caching import Cache
from keras_transfer.data import PipelineData
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.stages import stages
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.phases import Phase
from keras_transfer.schedules.rates import Rate
from keras_transfer.training.by_phases import train_by
from keras_transfer.training.compatibility import check_callbacks, check_fit, note_autologging
from keras_transfer.training.options import SCHEDULE, Options, phases_of
from keras_transfer.training.penalties import Penalty, Step
from keras_transfer.training.recipes import Recipe, follow


def fine_tune(
    model: keras.Model,
    data: PipelineData,
    *,
    schedule: str | Schedule | Sequence[Phase] = SCHEDULE,
    epochs: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    loss: str | keras.losses.Loss | Sequence[Any] | None = None,
    metrics: Sequence[Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: str | Mapping[Any, float] | None = "auto",
    balance: str | None = None,
    rate: str | Rate | None = "constant",
    penalty: str | Penalty | Sequence[Any] | Callable[[Step], Any] | None = None,
    average: int | None = None,
    patience: int | None = None,
    train_batch_norm: bool | float = False,
    cache: str | bool | Cache = "auto",
    resume_dir: str | os.PathLike[str] | None = None,
    recipe: str | Recipe | None = None,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains a model by the phases of a schedule, then restores the weights of the best epoch.

    All phases form one training run: epochs are numbered through, and the optimizer and the callbacks keep their state.
    A phase may solve a linear head in place of training it (see `Phase`); so does schedule="solve".
    Activations of the frozen part are computed once and cached (see `Cache`). The open part then trains on these
    activations, in the same batches and with the same result. The best epoch has the lowest validation loss. If the
    optimizer averages weights (`use_ema`), the averages are validated. Training whose loss is not a finite number
    stops with a warning, and the model has the weights of its best epoch before. The model remembers the names of its
    classes as `model.class_names`.

    Args:
        model: a model made by `build_model`; it is trained in place and stays compiled.
        data: images with labels; its classes must be those of the model.
        schedule: name in `kt.available("schedule")`, a function of the same form, or a tuple of `Phase`.
        epochs: number of epochs of all phases together, 10 by default; not allowed with a tuple of phases.
        learning_rate: learning rate of the first phase, 3e-3 by default; not allowed with a tuple of phases.
        optimizer: name or object. Of an object only the settings are used, not its state. The phases set the learning
            rate, unless it is a schedule object of Keras.
        loss: by default cross-entropy for a model with softmax or sigmoid, and squared error for a linear activation.
            For a class for each pixel, or tag for each word, also a list of losses, which are added, such as
            `["sparse_categorical_crossentropy", "dice"]`; what has no label does not count.
        metrics: by default accuracy, or mean absolute error for a linear activation. Losses and metrics that take
            one-hot labels, such as `AUC`, get them; "f1" is the F1 score, a mean over the classes.
        callbacks: Keras callbacks.
        class_weight: "auto" balances the classes, with a message, if the largest class has at least 1.5 times as many
            images as the smallest; "balanced" always balances them; None never does; or a weight from 0 on for classes
            by their names or numbers, where those that are not named weigh 1. For several labels an image and for
            regression it is refused: pass a loss that weighs them. For a class for each pixel "auto" weighs none, and
            "balanced" goes by pixels.
        balance: how classes with few images come to count as much as those with many, for one class an image: name in
            `kt.available("balance")`. "class_weight" is class_weight="balanced". "sampling" trains on
            `data.balanced()`, which draws each class equally often; a head that is solved has class weights instead.
            "logit_adjustment" adds to each logit the logarithm of its class's share of the training images, in the
            loss alone (Menon and others, "Long-tail learning via logit adjustment", 2021,
            https://arxiv.org/abs/2007.07314, equation 10 with tau = 1, and equation 9 for a head that is solved). The
            validation loss is adjusted by the same shares, as the validation images have them too; a saved file has
            the plain loss. By None it is left to `class_weight`.
        rate: how the learning rate changes within each phase: name in `kt.available("rate")` or a function from
            progress in [0, 1) to a factor; None leaves the learning rate to the optimizer and to `callbacks`.
        penalty: what is added to the loss so that the model keeps near what it is now: name in
            `kt.available("penalty")`, an object of `kt.penalties`, a function of a `kt.penalties.Step`, or a list of
            these, which are added. The validation loss is without it.
        average: number of the last epochs whose weights are averaged, 2 or more, in place of taking the best epoch; see
            `AverageEpochs`.
        patience: number of epochs without a lower validation loss after which training stops; None for no early stop.
        train_batch_norm: whether BatchNorm layers in open stages train too, or the momentum that they have then, such
            as 0.9 for images unlike those of the pretraining; see `set_trainable`.
        cache: where the activations of the frozen part are stored: "auto", "memory", "disk", a `Cache` with further
            settings, or False to compute them in every epoch. With augmentation, activations are cached only with
            `Cache(views=...)`.
        resume_dir: folder in which the state of the run is saved after each epoch. Make the same call again to continue
            an interrupted run; it ends with the same weights as an uninterrupted one. For a finished run the call
            returns its result at once. The folder holds one run; delete it to train
            again. A call with other settings, images or code, or with other versions of keras_transfer, Keras,
            TensorFlow or Python, is another run and is refused.
        recipe: in place of `schedule`, `epochs` and `learning_rate`: name in `kt.available("recipe")`, or a function
            `(model, data, tune, verbose) -> History` that trains by `tune(schedule=...)`, which is `fine_tune` with the
            other settings given here, on this or other `data`, with `views` of augmented images in the cache. What a
            recipe does is said first; it may set its own `rate`. Where it trains several times, your `callbacks` see
            the trainings that are not tune(watched=False), and later ones are kept in folders within `resume_dir`.
        verbose: as in Keras' `fit`: "auto", 0, 1 or 2.

    Returns:
        The History of all phases. `history.phases` is the tuple of phases. `history.boundaries` is the list of the
        first epoch, counted from 0, of each phase after the first. `history.path` is the list of the penalties that
        were tried for a head that was solved: dictionaries with `C`, the inverse of the penalty, the mean `loss` of the
        cross-validation and its `deviation` over the folds, the `accuracy`, and whether it was `chosen`.

    Raises:
        InputError: if model and data do not fit, an argument is unknown or out of range, or `resume_dir` holds
            another run.
        DataError: if the labels do not fit the model or the loss.
        DiskError: if `resume_dir` cannot be written or read.
    """
    check_fit(model, data)
    options = Options(
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        callbacks=callbacks,
        class_weight=class_weight,
        balance=balance,
        rate=rate,
        penalty=penalty,
        average=average,
        patience=patience,
        train_batch_norm=train_batch_norm,
        cache=cache,
        resume_dir=resume_dir,
        verbose=verbose,
    )
    check_callbacks(model, callbacks)
    note_autologging()
    if recipe is None:
        return train_by(model, data, phases_of(schedule, epochs, learning_rate, stages(model)), options)
    if schedule != SCHEDULE or epochs is not None or learning_rate is not None:
        given = f"schedule={schedule!r}, epochs={epochs!r}, learning_rate={learning_rate!r}"
        raise InputError(f"Expected `recipe` alone, or a schedule. Received: recipe={recipe!r} with {given}.")

    calls = itertools.count()

    def tune(
        schedule: str | Schedule | Sequence[Phase] = SCHEDULE,
        epochs: int | None = None,
        learning_rate: float | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        data: LabelledData = data,
        views: int = 0,
        watched: bool = True,
        **changed: Any,
    ) -> keras.callbacks.History:
        phases, count = phases_of(schedule, epochs, learning_rate, stages(model)), next(calls)
        folder = options.folder if options.folder is None or not count else options.folder / f"training_{count + 1}"
        every = [*(options.callbacks if watched else ()), *callbacks]
        kept = replace(options.cache_settings, views=views) if views and options.cache_settings else options.cache
        changed = {"callbacks": every, "resume_dir": folder, "cache": kept, **changed}
        return train_by(model, data, phases, replace(options, **changed))

    return follow(recipe, model, data, tune, verbose)
