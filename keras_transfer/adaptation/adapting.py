"""adapt: trains a model on labelled images so that it works on images of another kind without labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import DataWarning, InputError
from keras_transfer._identity import identity_of
from keras_transfer._keras.leaves import leaf_of
from keras_transfer.adaptation.adaptation_model import features_of, head_weight
from keras_transfer.adaptation.alignment import AdaBN, Alignment, SourceOnly, find_method
from keras_transfer.adaptation.alignment.method import Loss
from keras_transfer.adaptation.domain_checks import find_domains
from keras_transfer.adaptation.domains import DomainOrder, Domains
from keras_transfer.adaptation.method_in_training import WEIGHT, Running
from keras_transfer.adaptation.phases import check_phases, phases_of_domains
from keras_transfer.adaptation.signs import shares_of, signs_of_negative_transfer
from keras_transfer.adaptation.validators import VALIDATORS, Validator
from keras_transfer.adaptation.watching import AdaptationDivergence, Validation
from keras_transfer.caching import Cache
from keras_transfer.data import PipelineData
from keras_transfer.models.batch_statistics import settle_batch_norm
from keras_transfer.models.origins import remember_classes
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.schedules.rates import Rate
from keras_transfer.tasks import TASKS, Classification
from keras_transfer.training.objective import Objective
from keras_transfer.training.options import Options
from keras_transfer.training.resuming import Resume
from keras_transfer.training.run import BestEpoch, Training, averaging
from keras_transfer.training.run_identity import identity
from keras_transfer.training.segments import trained_part
from keras_transfer.training.unfreezing import UnfreezeSchedule


def adapt(
    model: keras.Model,
    source: PipelineData | Sequence[PipelineData] | None,
    target: PipelineData | None,
    *,
    method: str | Alignment | Loss = "mcc",
    weight: float = 1.0,
    schedule: str | Schedule | Sequence[Phase] | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: str | Mapping[Any, float] | None = "auto",
    rate: str | Rate | None = "constant",
    validator: str | Validator | None = None,
    patience: int | None = None,
    train_batch_norm: bool | float = False,
    cache: str | bool | Cache = "auto",
    resume_dir: str | os.PathLike[str] | None = None,
    verbose: str | int = "auto",
) -> keras.callbacks.History:
    """Trains a model on a labelled source so that it works on a target without labels.

    The loss is the loss of the task on the source plus `weight` times the loss of the method on both domains.
    Everything else is as in `fine_tune`: the phases of a schedule, one History, and frozen layers that do not change,
    whose activations are computed once for each domain. Afterwards the model is the same plain model. Weights of the
    method itself, such as those of a discriminator, are not part of it.

    If the target has labels, they are removed first: neither training nor the choice of the best epoch uses them. The
    best epoch is the one with the highest value of a validator on the validation images of all domains.

    Args:
        model: a model made by `build_model` with softmax; trained in place and left compiled.
        source: images with labels, a list of several such sources with the same classes, or None for a method that
            needs no source. Without a source the model must have learnt the task before, and its head is trained only
            if the schedule opens it.
        target: images of the other domain, such as `kt.data.unlabelled(...)`; None for "mixstyle" and "none".
        method: a name in `kt.available("alignment")`, an `Alignment` with other settings, such as
            `kt.alignment.MMD("laplacian")`, or a function of two `kt.alignment.Batch`es.
        weight: factor of the method's loss, 0 or more.
        schedule: as in `fine_tune`, "gradual" by default. Without a source, the last stage alone is trained by
            default.
        epochs: number of epochs of all phases together, 10 by default. Do not give it with a tuple of phases. An epoch
            is one pass over the source.
        learning_rate: learning rate of the first phase, 3e-3 by default, or 1e-4 if neither a source nor a schedule is
            given. Do not give it with a tuple of phases.
        optimizer: as in `fine_tune`.
        callbacks: callbacks of Keras or your own.
        class_weight: weight of the classes of the source, as in `fine_tune`.
        rate: as in `fine_tune`.
        validator: a name in `kt.available("validator")`, or a function of two `kt.validators.Outputs` that returns a
            number, the higher the better. The default is "information_maximization", or "source_accuracy" if there is
            no target.
        patience: number of epochs without a higher value of the validator after which training stops.
        train_batch_norm: as in `fine_tune`.
        cache: as in `fine_tune`. Each domain may use the whole limit.
        resume_dir: as in `fine_tune`. The weights of the method are saved there too.
        verbose: as in Keras' `fit`.

    Returns:
        The History of all phases, as from `fine_tune`. It also holds the loss of the method as `alignment`, and the
        value of the validator as `val_` with its name; `history.validator` is that key. `history.score` is the value
        for the weights that the model has in the end: those of the best epoch, or for "adabn" those with the statistics
        of the target. If nothing is trained ("adabn" without a source), the History is empty.

    Raises:
        InputError: if the model, the source and the target do not fit, a domain is missing, an argument is unknown or
            out of range, or `resume_dir` holds another run.
    """
    options = Options(
        optimizer=optimizer,
        callbacks=callbacks,
        class_weight=class_weight,
        rate=rate,
        patience=patience,
        train_batch_norm=train_batch_norm,
        cache=cache,
        resume_dir=resume_dir,
        verbose=verbose,
    )
    found = find_method(method)
    weight = WEIGHT("weight", weight)
    domains = find_domains(model, source, target, found)
    if isinstance(found, AdaBN) and domains.target is None:
        raise InputError("Expected a `target` for 'adabn', whose statistics it takes. Received: None.")
    if domains.sources:
        remember_classes(model, domains.sources[0].class_names)
    name, ask = _validator(validator, domains)
    validation = Validation(domains, name, ask)
    if domains.sources or domains.trains_on_target:
        phases = phases_of_domains(model, domains, schedule, epochs, learning_rate)
        check_phases(model, phases, found, domains)
        history = _train(
            model,
            domains,
            Running(found, weight, features_of(model).shape[-1], model.output_shape[-1]),
            phases,
            validation,
            options,
        )
    else:
        history = keras.callbacks.History()
        history.on_train_begin()
        history.set_model(model)
        history.boundaries, history.phases = [], ()
    if isinstance(found, AdaBN) and domains.target is not None:
        with domains.target.naming_bad_files("train"):
            settle_batch_norm(model, domains.target.in_order("train").map(lambda images, labels: images), verbose)
        domains.fed = None  # its activations were computed with the old statistics
        history.score = validation.score(model)
    else:
        values = [value for value in history.history.get(validation.key, []) if np.isfinite(value)]
        history.score = max(values, default=float("nan"))
    if domains.sources and domains.target is not None:
        _tell(validation.predicted(model), domains, found)
    history.validator = validation.key
    return history


def _train(
    model: keras.Model,
    domains: Domains,
    running: Running,
    phases: Sequence[Phase],
    validation: Validation,
    options: Options,
) -> keras.callbacks.History:
    has_task = bool(domains.sources)
    objective = Objective.of(TASKS.find(Classification.name), options if has_task else replace(options, metrics=[]))
    objective.compile(model, options.new_optimizer(model))
    running.follow(leaf_of(model.optimizer, head_weight(model)))
    unfreeze = UnfreezeSchedule(phases, train_batch_norm=options.train_batch_norm, rate=options.rate)
    part = trained_part(model, phases)
    best = BestEpoch(part, options.patience or starts(phases)[-1], validation.key, "max")
    evenly = any(source.sampling == "balanced" for source in domains.sources)
    names = domains.sources[0].class_names if has_task else ()
    weights = options.weights_of(domains.labels(), names, drawn_evenly=evenly) if has_task else None
    own = [
        *averaging(model),
        unfreeze,
        DomainOrder(domains),
        running,
        validation,
        AdaptationDivergence(part, best, validation),
        best,
    ]
    training = Training(
        model, domains.every, phases, unfreeze, own, options.callbacks, objective, weights, options.verbose
    )
    resume = None
    if options.folder is not None:
        settings, cache = options.settings(weights), options.cache_settings
        run = identity(model, domains.every[0], phases, cache, settings)
        others = [identity(model, data, phases, cache, settings) for data in domains.every[1:]]
        run["other images"] = [[other["data"], other["images"]] for other in others]
        run["method"] = [*_identity(running.method), running.weight, validation.key]
        resume = Resume(options.folder, run, training.every())
    return training.run(
        lambda first: domains.plan(
            model, phases, options.cache_settings, running, first=first, verbose=options.verbose
        ),
        domains.steps,
        resume,
    )


def _identity(method: Alignment) -> list[Any]:
    """Returns what tells one method from another; it is the same in every process."""
    values = {name: value for name, value in vars(method).items() if not name.startswith("_")}
    return [identity_of(type(method)), identity_of(values)]


def _tell(predicted: np.ndarray, domains: Domains, method: Alignment) -> None:
    """Warns of signs of negative transfer in the classes predicted for the target."""
    names = domains.sources[0].class_names
    what = "Adaptation may have done harm (negative transfer)"
    if isinstance(method, SourceOnly):
        what = "Training on the source alone may not be enough for the target"
    for sign in signs_of_negative_transfer(predicted, shares_of(domains.labels(), len(names)), names):
        warnings.warn(f"{what}: {sign}.", DataWarning, stacklevel=3)


def _validator(validator: str | Validator | None, domains: Domains) -> tuple[str, Validator]:
    if validator is None:
        validator = "source_accuracy" if domains.target is None else "information_maximization"
    found = VALIDATORS.find(validator)
    name = validator if isinstance(validator, str) else getattr(validator, "__name__", "validator")
    if not domains.sources and name in ("source_accuracy", "deep_embedded_validation"):
        raise InputError(f"Expected a labelled source for validator={name!r}. Received: source=None.")
    if domains.target is None and name != "source_accuracy" and isinstance(validator, str):
        raise InputError(f"Expected a `target` for validator={name!r}. Received: None. Use 'source_accuracy'.")
    return name, found
