"""Segments: one training in several `fit` calls, each on the part of a model that is open then.

Callbacks, History and optimizer see one model and continuous epochs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import tensorflow as tf
from keras.callbacks import CallbackList

from keras_transfer._checks import DataWarning, InputError
from keras_transfer._keras.refitting import start_averages
from keras_transfer._keras.trainer import finalized_at_the_end
from keras_transfer._logging import say
from keras_transfer.caching.activations import Activations, Arrays
from keras_transfer.caching.cuts import FEATURES, frozen_cut, in_order
from keras_transfer.caching.dataset import ordered_batches, train_batches
from keras_transfer.caching.settings import Cache
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.stages import split
from keras_transfer.schedules.parts import HEAD
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.training.relay import Relay, quiet_tracing, watches_steps

Feed = tuple[keras.Model, tf.data.Dataset, tf.data.Dataset | None]
Around = Callable[..., keras.Model]  # of a model, or its part from `cut` on
_HEAD_STEPS = 32  # steps of the head in one execution: one of them takes less time than starting it does


@dataclass(frozen=True)
class Segment:
    """Some epochs in which the same part of a model is trained on the same data.

    Attributes:
        until: epoch after the last one, counted from 0.
        feed: makes `(part, train, validation)` when its turn comes: the model or its open part, with the weights of the
            whole, and batches of what it takes.
        steps: how many of them in one execution, unless a callback watches them.
    """

    until: int
    feed: Callable[[], Feed]
    steps: int = 1


@dataclass(frozen=True)
class SolvedSegment:
    """One epoch in which the head is solved.

    Attributes:
        until: epoch after it, counted from 0.
        features: gives those of each split when its turn comes.
        views: of each training image.
    """

    until: int
    features: Callable[[], dict[str, Arrays]]
    views: int


# of the part after the features, compiled, and the segment: solves the head and returns the logs of the epoch
Solve = Callable[[keras.Model, SolvedSegment], dict[str, float]]


def plan_segments(
    model: keras.Model,
    data: LabelledData,
    phases: Sequence[Phase],
    cache: Cache | None,
    *,
    first: int,
    verbose: str | int,
    around: Around | None = None,
) -> list[Segment | SolvedSegment]:
    """Returns segments that train on activations wherever something is frozen and the cache allows it.

    Args:
        model: the whole model.
        data: its images.
        phases: of the schedule.
        cache: where activations are kept; None to train on images throughout.
        first: epoch from which training goes on, counted from 0; activations are not computed for earlier ones.
        verbose: 0 to say nothing.
        around: makes what is trained of the model, or of its part from a cut on; None to train these themselves.
    """
    edges = starts(phases)[1:]
    left = [(phase, until) for phase, until in zip(phases, edges, strict=True) if until > first]
    off = _why_off(data, cache)
    cuts = {phase: FEATURES if phase.solves else frozen_cut(model, phase.unfrozen) for phase, _ in left}
    if off is not None:
        if cache and any(cut and not phase.solves for phase, cut in cuts.items()):
            _say(verbose, off)
        cuts = {phase: cut if phase.solves else None for phase, cut in cuts.items()}
    wanted = [cut for cut in cuts.values() if cut is not None]

    def whole() -> Feed:
        return model if around is None else around(model, cut=None), data.train, data.validation

    if not wanted:
        return [Segment(edges[-1], whole)]
    splits = [name for name in ("train", "validation") if name in data.splits]
    in_step = 0 if data.taught is None or not data.augmented else len(data.taught)  # views that answers are of
    activations = Activations(model, data, wanted, cache or Cache("memory", views=in_step), splits, verbose)

    def feed(cut: str | None) -> Feed:
        if cut is None:
            return whole()
        try:
            arrays = activations.at(cut)
        except MemoryError as error:
            _say(verbose, f"off, since {error}")
            return whole()
        except InputError as error:
            warnings.warn(f"The activation cache is not used. {error}", DataWarning, stacklevel=2)
            return whole()
        except OSError as error:
            warnings.warn(
                f"The activation cache cannot be written ({error}). Training goes on without it.",
                DataWarning,
                stacklevel=2,
            )
            return whole()
        part = split(model, cut)[1]
        return (
            part if around is None else around(part, cut=cut),
            train_batches(data, arrays["train"], activations.views),
            ordered_batches(data, "validation", arrays),
        )

    place = activations.place(activations.cuts)
    if place is not None:
        views = f", {activations.views} views of each" if activations.views > 1 else ""
        size = activations.size(activations.cuts) / 1e6
        _say(verbose, f"what enters {', '.join(activations.cuts)} is computed once{views}, {size:,.1f} MB in {place}")
    found: list[Segment | SolvedSegment] = []
    for (phase, until), (later, _) in zip(left, [*left[1:], (None, 0)], strict=True):
        cut = cuts[phase]
        if phase.solves:
            found.append(SolvedSegment(until, partial(activations.at, FEATURES), activations.views))
        elif later is None or later.solves or cuts[later] != cut:  # what needs the same activations is one segment
            found.append(Segment(until, partial(feed, cut), _HEAD_STEPS if cut in (HEAD, FEATURES) else 1))
    return found


def _why_off(data: LabelledData, cache: Cache | None) -> str | None:
    """Says why training cannot use activations, in a few words; None where it can."""
    if cache is None:
        return "off, as asked"
    if data.mixes:
        return "off, since images are mixed, and mixing activations is not the same"
    if data.augmented and not cache.views:
        return "off, since images are augmented anew in every epoch; Cache(views=4) keeps 4 views of each"
    return None


def trained_part(model: keras.Model, phases: Sequence[Phase]) -> keras.Model:
    """Returns the part of a model that any of the phases opens, which shares its weights: maybe all of it."""
    cuts = {frozen_cut(model, phase.unfrozen) for phase in phases}
    if None in cuts:
        return model
    return split(model, in_order(model, {cut for cut in cuts if cut})[0])[1]


def _say(verbose: str | int, line: str) -> None:
    if verbose:
        say(f"cache: {line}")


def fit_segments(
    model: keras.Model,
    segments: Sequence[Segment | SolvedSegment],
    callbacks: CallbackList,
    *,
    first: int,
    compile_part: Callable[[keras.Model, int], None],
    class_weight: dict[int, float] | None,
    solve: Solve | None = None,
) -> None:
    """Trains a compiled model segment by segment, as one `fit` would.

    Args:
        model: the whole model.
        segments: of `plan_segments`.
        callbacks: of the whole model.
        first: epoch from which training goes on, counted from 0.
        compile_part: compiles a part with the loss and metrics of the whole and the optimizer it has then, to run a
            number of steps in one execution.
        class_weight: as in `fit`.
        solve: solves the head, in segments that do.
    """
    model.stop_training = False
    callbacks.on_train_begin()
    with finalized_at_the_end(model), quiet_tracing():
        for segment in segments:
            if segment.until > first and not model.stop_training:
                if isinstance(segment, Segment):
                    _fit_segment(model, segment, callbacks, first, compile_part, class_weight)
                elif solve is not None:
                    _solve_segment(model, segment, callbacks, first, compile_part, solve)
                first = segment.until
    callbacks.on_train_end()


def _fit_segment(
    model: keras.Model,
    segment: Segment,
    callbacks: CallbackList,
    first: int,
    compile_part: Callable[[keras.Model, int], None],
    class_weight: dict[int, float] | None,
) -> None:
    """Trains one segment. Its part and data live in here alone, so that they are gone before those of the next come."""
    with model.distribute_strategy.scope():
        part, train, validation = segment.feed()
        if part is not model:
            compile_part(part, 1 if watches_steps(callbacks) else segment.steps)
        for built in {part, model}:  # callbacks ask the whole model which way a metric is better
            _build_metrics(built, train)
    part.fit(
        train,
        validation_data=validation,
        initial_epoch=first,
        epochs=segment.until,
        callbacks=[Relay(callbacks, model, None if validation is None else int(validation.cardinality()))],
        class_weight=class_weight,
        shuffle=False,  # the data shuffles itself
        verbose=0,
    )


def _solve_segment(
    model: keras.Model,
    segment: SolvedSegment,
    callbacks: CallbackList,
    epoch: int,
    compile_part: Callable[[keras.Model, int], None],
    solve: Solve,
) -> None:
    """Solves the head, as an epoch of which callbacks see the beginning and the end."""
    callbacks.on_epoch_begin(epoch)
    with model.distribute_strategy.scope():
        part = split(model, FEATURES)[1]
        compile_part(part, 1)
    logs = solve(part, segment)
    start_averages(model.optimizer)
    callbacks.on_epoch_end(epoch, logs)


def _build_metrics(model: keras.Model, train: tf.data.Dataset) -> None:
    """Makes the variables of metrics now: Keras makes them in the first step, which TensorFlow then traces twice."""
    labels = train.element_spec[1]
    one_label, one_output = ([side or 1 for side in shape[1:]] for shape in (labels.shape, model.output_shape))
    model.compute_metrics(None, tf.zeros((1, *one_label), labels.dtype), tf.zeros((1, *one_output)))
    model.reset_metrics()
