"""fine_tune: trains a pretrained model on labelled images by the phases of a schedule."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras

from keras_transfer._checks import InputError
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.origins import check_range, remember_classes, remember_range
from keras_transfer.models.stages import stages
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.schedules.rates import Rate
from keras_transfer.tasks import TASKS, Classification, task_of_labels, task_of_model
from keras_transfer.training.averaging import AverageEpochs, check_average
from keras_transfer.training.balancing import find_balance
from keras_transfer.training.compatibility import check_callbacks, check_fit, check_labels, note_autologging, yes_or_no
from keras_transfer.training.divergence import Divergence
from keras_transfer.training.known_labels import has_unknown
from keras_transfer.training.label_form import wants_one_hot
from keras_transfer.training.options import SCHEDULE, Objective, Options, phases_of
from keras_transfer.training.penalties import Penalty, Step, find_penalty
from keras_transfer.training.penalties.penalty_model import PenaltyModel, Start
from keras_transfer.training.recipes import Recipe, follow
from keras_transfer.training.resuming import Resume
from keras_transfer.training.run import BestEpoch, EpochOrder, Training, averaging
from keras_transfer.training.run_identity import identity
from keras_transfer.training.segments import plan_segments, trained_part
from keras_transfer.training.solving import HeadSolver, Solved, TrainedAndSolvedPhases, check_solves
from keras_transfer.training.teaching import Teaching


def fine_tune(
    model: keras.Model,
    data: ImageData,
    *,
    schedule: str | Schedule | Sequence[Phase] = SCHEDULE,
    epochs: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    loss: str | keras.losses.Loss | None = None,
    metrics: Sequence[Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: str | Mapping[Any, float] | None = "auto",
    balance: str | None = None,
    rate: str | Rate | None = "constant",
    penalty: str | Penalty | Sequence[Any] | Callable[[Step], Any] | None = None,
    average: int | None = None,
    patience: int | None = None,
    train_batch_norm: bool = False,
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
        metrics: by default accuracy, or mean absolute error for a linear activation. Losses and metrics that take
            one-hot labels, such as `AUC`, get them; "f1" is the F1 score, a mean over the classes.
        callbacks: Keras callbacks.
        class_weight: "auto" balances the classes, with a message, if the largest class has at least 1.5 times as many
            images as the smallest; "balanced" always balances them; None never does; or a weight from 0 on for classes
            by their names or numbers, where those that are not named weigh 1. For several labels an image and for
            regression it is refused: pass a loss that weighs them.
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
        train_batch_norm: whether BatchNorm layers in open stages train too; see `set_trainable`.
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
        kept = replace(options.cache_settings or Cache("memory"), views=views) if views else options.cache
        changed = {"callbacks": every, "resume_dir": folder, "cache": kept, **changed}
        return train_by(model, data, phases, replace(options, **changed))

    return follow(recipe, model, data, tune, verbose)


def train_by(
    model: keras.Model,
    data: LabelledData,
    phases: tuple[Phase, ...],
    options: Options,
    teaching: Teaching | None = None,
) -> keras.callbacks.History:
    """Trains a model by phases, as `fine_tune` does.

    Args:
        model: that fits the data.
        data: with targets in place of labels, if another model teaches.
        phases: of the training.
        options: settings.
        teaching: what is learnt from another model; None to learn the labels.
    """
    loss, metrics, verbose = options.loss, options.metrics, options.verbose
    one_unit = yes_or_no(model, data)
    unfreeze = TrainedAndSolvedPhases(phases, train_batch_norm=options.train_batch_norm, rate=options.rate)
    labels = data.splits["train"].labels
    if loss is None:
        check_labels(model, data)
    balance = find_balance(options.balance, data, loss, verbose)
    data, log_priors = balance.drawn(data), balance.log_priors(labels, data.num_classes)
    check_solves(model, phases, options, log_priors)
    remember_classes(model, data.class_names)
    check_range(model, pixel_range := getattr(data, "pixel_range", None))
    remember_range(model, pixel_range)
    if data.task is TASKS.find(Classification.name) and not one_unit and wants_one_hot(loss, metrics or ()):
        data = data.one_hot()
    known = not any(has_unknown(part.labels) for part in data.splits.values())
    task = task_of_model(model) or task_of_labels(labels)
    if teaching is None:
        objective = Objective.of(task, options, data.label_spec, known=known, log_priors=log_priors)
    else:
        objective = teaching.objective(task, metrics)
    objective.compile(model, options.new_optimizer(model))
    own = [*averaging(model), unfreeze, EpochOrder(data)]
    around = None
    if options.penalty is not None:
        start = Start(model)
        around = partial(PenaltyModel.of_part, penalty=find_penalty(options.penalty), start=start)
        own.append(start)
    part = trained_part(model, phases)
    best = BestEpoch(part, options.patience or starts(phases)[-1]) if "validation" in data.splits else None
    own += [Divergence(part, best), *([] if best is None else [best])]
    if options.average is not None:
        check_average(options.average, 0 if phases[-1].solves else phases[-1].length)
        own.append(AverageEpochs(options.average, data))
    weights = options.weights_of(labels, data.class_names, drawn_evenly=data.sampling == "balanced")
    solved = Solved()
    training = Training(
        model,
        [data],
        phases,
        unfreeze,
        [*own, solved],
        options.callbacks,
        objective,
        weights,
        verbose,
        HeadSolver(model, data, weights, solved, verbose, log_priors, None if teaching is None else teaching.solved),
    )
    resume = None
    if options.folder is not None:
        run = identity(
            model,
            data,
            phases,
            options.cache_settings,
            {**options.settings(weights), "teacher": teaching and [teaching.taught_by, teaching.loss]},
        )
        resume = Resume(options.folder, run, training.every())
    history = training.run(
        lambda first: plan_segments(
            model, data, phases, options.cache_settings, first=first, verbose=verbose, around=around
        ),
        data.steps,
        resume,
    )
    history.path = solved.path
    return history
