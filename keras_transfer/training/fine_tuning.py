"""fine_tune: a pretrained model and labelled images in, a trained model and its History out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.models.stages import stages
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.schedules.rates import Rate
from keras_transfer.tasks import task_of_labels, task_of_model
from keras_transfer.training.compatibility import check_fit, check_labels
from keras_transfer.training.options import Objective, Options, phases_of
from keras_transfer.training.resuming import Resume
from keras_transfer.training.run import BestEpoch, EpochOrder, Training, averaging
from keras_transfer.training.run_identity import identity
from keras_transfer.training.segments import plan_segments, trained_part
from keras_transfer.training.unfreezing import UnfreezeSchedule


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
            result at once. Of one run alone; delete it to train again. A call with other settings, images or code, or
            with other versions of keras_transfer, Keras, TensorFlow or Python, is another run and is refused.
        verbose: as in Keras' `fit`: "auto", 0, 1 or 2.

    Returns:
        The History of all phases; `history.phases` holds them, and `history.boundaries` the first epoch of each phase
        after the first, from 0.

    Raises:
        InputError: if model and data do not fit, an argument is unknown or out of range, or `resume_dir` holds
            another run.
    """
    check_fit(model, data)
    options = Options(
        optimizer=optimizer,
        loss=loss,
        metrics=metrics,
        callbacks=callbacks,
        class_weight=class_weight,
        rate=rate,
        patience=patience,
        train_batch_norm=train_batch_norm,
        cache=cache,
        resume_dir=resume_dir,
        verbose=verbose,
    )
    phases = phases_of(schedule, epochs, learning_rate, stages(model))
    unfreeze = UnfreezeSchedule(phases, train_batch_norm=train_batch_norm, rate=rate)
    labels = data.splits["train"].labels
    if loss is None:
        check_labels(model, data)
    objective = Objective.of(task_of_model(model) or task_of_labels(labels), options, data.train.element_spec[1])
    objective.compile(model, options.new_optimizer(model))
    own = [*averaging(model), unfreeze, EpochOrder(data)]
    if "validation" in data.splits:
        own.append(BestEpoch(trained_part(model, phases), patience or starts(phases)[-1]))
    weights = options.weights_of(labels)
    training = Training(model, [data], phases, unfreeze, own, callbacks, objective, weights, verbose)
    resume = None
    if options.folder is not None:
        run = identity(model, data, phases, options.cache_settings, options.settings(weights))
        resume = Resume(options.folder, run, training.every())
    return training.run(
        lambda first: plan_segments(model, data, phases, options.cache_settings, first=first, verbose=verbose),
        len(data.train),
        resume,
    )
