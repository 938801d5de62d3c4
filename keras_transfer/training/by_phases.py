"""train_by: trains a model by phases, with all that `fine_tune` and `distill` share."""

from __future__ import annotations

from functools import partial

import keras

from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.origins import check_range, remember_classes, remember_range
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.tasks import TASKS, Classification, task_of_labels, task_of_model
from keras_transfer.training.averaging import AverageEpochs, check_average
from keras_transfer.training.balancing import find_balance
from keras_transfer.training.compatibility import check_labels, yes_or_no
from keras_transfer.training.divergence import Divergence
from keras_transfer.training.known_labels import has_unknown
from keras_transfer.training.label_form import wants_one_hot
from keras_transfer.training.objective import Objective
from keras_transfer.training.options import Options
from keras_transfer.training.penalties import find_penalty
from keras_transfer.training.penalties.penalty_model import PenaltyModel, Start
from keras_transfer.training.resuming import Resume
from keras_transfer.training.run import BestEpoch, EpochOrder, Training, averaging
from keras_transfer.training.run_identity import identity
from keras_transfer.training.segments import plan_segments, trained_part
from keras_transfer.training.solving import HeadSolver, Solved, TrainedAndSolvedPhases, check_solves
from keras_transfer.training.teaching import Teaching


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
        data: with what is taught in place of labels, if another model teaches.
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
    start = None if options.penalty is None else Start(model)
    remember_classes(model, data.class_names)
    check_range(model, pixel_range := getattr(data, "pixel_range", None))
    remember_range(model, pixel_range)
    if data.task is TASKS.find(Classification.name) and not one_unit and wants_one_hot(loss, metrics or ()):
        data = data.one_hot()
    known = not any(has_unknown(part.labels) for part in data.splits.values())
    task = task_of_model(model) or task_of_labels(labels)
    weights = options.weights_of(labels, data.class_names, drawn_evenly=data.sampling == "balanced")
    if teaching is None:
        of_pixels = weights if data.masked else None
        objective = Objective.of(
            task, options, data.label_spec, known=known, log_priors=log_priors, class_weight=of_pixels
        )
    else:
        objective = teaching.objective(task, metrics)
    objective.compile(model, options.new_optimizer(model))
    own = [*averaging(model), unfreeze, EpochOrder(data)]
    around = None
    if start is not None:
        around = partial(PenaltyModel.of_part, penalty=find_penalty(options.penalty), start=start)
        own.append(start)
    part = trained_part(model, phases)
    best = BestEpoch(part, options.patience or starts(phases)[-1]) if "validation" in data.splits else None
    divergence = Divergence(part, best)
    own += [divergence, *([] if best is None else [best])]
    if options.average is not None:
        check_average(options.average, 0 if phases[-1].solves else phases[-1].length)
        own.append(averaged := AverageEpochs(options.average, data))
        averaged.unless = lambda: divergence.epoch is not None
    solved = Solved()
    training = Training(
        model,
        [data],
        phases,
        unfreeze,
        [*own, solved],
        options.callbacks,
        objective,
        None if data.masked else weights,
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
            {
                **options.settings(weights),
                "teacher": teaching and teaching.identity,
            },
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
