"""Domains: the images of an adaptation, and the batches on which each part of the model is trained and validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.adaptation.adaptation_model import AdaptationModel
from keras_transfer.adaptation.batches import side_by_side
from keras_transfer.adaptation.method_in_training import Running
from keras_transfer.caching import Cache
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.schedules.phases import Phase
from keras_transfer.training.segments import Segment, plan_segments


@dataclass(eq=False)
class Fed:
    """The part of a model that is being trained, and the batches it is validated on.

    Attributes:
        part: the whole model, or the part behind the frozen layers.
        validation: batches of the validation images of all sources, one source after another; None if there are none.
        target: batches of the target's validation images, or of its training images if it has no others; None if
            there is no target. If `part` is not the whole model, these are batches of activations.
    """

    part: keras.Model
    validation: tf.data.Dataset | None = None
    target: tf.data.Dataset | None = None


@dataclass(eq=False)
class Domains:
    """The labelled sources and the target of an adaptation.

    Attributes:
        sources: images with labels; may be empty.
        target: images without labels; None if there is no target.
        trains_on_target: whether the model is trained on images of the target, or only validated on them.
        fed: what is trained and validated in the present segment; None before training.
    """

    sources: list[LabelledData]
    target: LabelledData | None
    trains_on_target: bool
    fed: Fed | None = field(default=None)

    @property
    def training(self) -> list[LabelledData]:
        """The domains that the model is trained on, sources first."""
        return [*self.sources, *([self.target] if self.target is not None and self.trains_on_target else [])]

    @property
    def every(self) -> list[LabelledData]:
        """All domains, sources first."""
        return [*self.sources, *([self.target] if self.target is not None else [])]

    @property
    def steps(self) -> int:
        """Number of batches in an epoch: one pass over the shortest source, or over the target without a source."""
        return min(map(full_batches, self.sources or self.training))

    def passes(self, data: LabelledData) -> int:
        """Returns how often an epoch starts to read the images of a domain from the beginning."""
        return -(-self.steps // full_batches(data))

    def labels(self) -> np.ndarray:
        """Returns the labels of the training images of all sources, int `(count,)`."""
        return np.concatenate([source.splits["train"].labels for source in self.sources])

    def plan(
        self,
        model: keras.Model,
        phases: Sequence[Phase],
        cache: Cache | None,
        running: Running,
        *,
        first: int,
        verbose: str | int,
    ) -> list[Segment]:
        """Returns the segments of a training, each with batches of images or activations of all domains.

        Args:
            model: the whole model.
            phases: the phases of the schedule.
            cache: where activations are kept; None to train on images throughout.
            running: the method in training.
            first: epoch from which training starts or goes on, counted from 0.
            verbose: 0 to print nothing.
        """
        plans = [plan_segments(model, data, phases, cache, first=first, verbose=verbose) for data in self.every]
        if len({tuple(segment.until for segment in plan) for plan in plans}) > 1:  # no room for one: keep none
            return self.plan(model, phases, None, running, first=first, verbose=verbose)
        return [
            Segment(
                together[0].until, partial(self._feed, model, running, together), min(together[0].steps, self.steps)
            )
            for together in zip(*plans, strict=True)
        ]

    def whole(self, model: keras.Model) -> Fed:
        """Returns the whole model with batches of images to validate it on."""
        target = None
        if self.target is not None:
            batches = self.target.validation if self.target.validation is not None else self.target.in_order("train")
            target = batches.map(lambda images, labels: images)
        return Fed(model, _one_after_another([source.validation for source in self.sources]), target)

    def _feed(
        self, model: keras.Model, running: Running, segments: Sequence[Segment]
    ) -> tuple[keras.Model, tf.data.Dataset, tf.data.Dataset | None]:
        self.fed = None  # it holds activations of the segment before
        feeds = [segment.feed() for segment in segments]
        if len({feed[0] is model for feed in feeds}) > 1:  # the cache has no room for one domain: use images of all
            feeds = [(model, data.train, data.validation) for data in self.every]
        trains = [feed[1].take(full_batches(data)) for feed, data in zip(feeds, self.every, strict=True)]
        target = None
        if self.target is not None:
            images = feeds[-1][2] if feeds[-1][2] is not None else trains[-1]
            target = images.map(lambda images, labels: images)
        validation = _one_after_another([feed[2] for feed in feeds[: len(self.sources)]])
        self.fed = Fed(feeds[0][0], validation, target)
        targets = trains[len(self.sources) :] if self.trains_on_target else []
        batches = side_by_side(
            trains[: len(self.sources)], targets[0].map(lambda images, labels: images) if targets else None
        )
        batches = batches.take(self.steps).apply(tf.data.experimental.assert_cardinality(self.steps))
        return AdaptationModel.of_part(self.fed.part, running), batches.prefetch(2), self.fed.validation


def _one_after_another(datasets: Sequence[tf.data.Dataset | None]) -> tf.data.Dataset | None:
    """Returns the batches of all given data sets in their order; None if all are None."""
    found = [each for each in datasets if each is not None]
    return reduce(lambda first, second: first.concatenate(second), found) if found else None


class DomainOrder(keras.callbacks.Callback):
    """Makes order and augmentation of all domains depend on the number of the epoch alone.

    A run that goes on after it was killed then sees the same batches, however often an epoch repeats a domain.
    """

    def __init__(self, domains: Domains):
        super().__init__()
        self._domains = domains

    def on_epoch_begin(self, epoch: int, logs: dict[str, object] | None = None) -> None:
        for data in self._domains.training:
            data.start_epoch(epoch * self._domains.passes(data))


def full_batches(data: LabelledData) -> int:
    """Returns the number of full training batches of a domain, or 1 if its images do not fill one.

    The images of an epoch that do not fill a batch are left out, different ones in each epoch: methods compare the
    statistics of batches, and two or three images have no useful statistics.
    """
    return max(1, len(data.splits["train"]) // data.batch_size)
