"""Checks the model, the sources and the target before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import keras
import numpy as np

from keras_transfer._checks import DataWarning, InputError
from keras_transfer.adaptation.adaptation_model import check_probabilities
from keras_transfer.adaptation.alignment import Alignment
from keras_transfer.adaptation.batches import check_present
from keras_transfer.adaptation.domains import Domains
from keras_transfer.data import PipelineData
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.sources.unlabelled import blinded, is_labelled
from keras_transfer.models.stages import check_one_way, stages
from keras_transfer.training.compatibility import check_fit


def find_domains(
    model: keras.Model,
    source: PipelineData | Sequence[PipelineData] | None,
    target: PipelineData | None,
    method: Alignment,
) -> Domains:
    """Checks sources and target, and returns them as `Domains`, without the labels of the target.

    Raises:
        InputError: if a domain is missing that the method needs, or does not fit the model or another domain.
    """
    stages(model)
    check_one_way(model)
    check_probabilities(model)
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise InputError(
            "Expected one device, because methods compare whole batches. Received: a distribution strategy with "
            f"{model.distribute_strategy.num_replicas_in_sync} replicas."
        )
    several = [source] if source is None or isinstance(source, PipelineData) else source
    sources: list[LabelledData] = [data for data in several if data is not None]
    check_present(len(sources), target is not None, method)
    for data in sources:
        check_fit(model, data)
        _check_source(data, sources[0])
    if target is not None:
        check_target(model, target, sources)
        for data in sources:
            _check_apart(data, target)
        target = blinded(target)
    if not sources and target is None:
        raise InputError("Expected a source, a target, or both. Received: neither.")
    domains = Domains(sources, target, method.needs_target)
    for data, what in zip(domains.every, [*["source"] * len(sources), "target"], strict=False):
        count = len(data.splits["train"])
        smallest = min(count, data.batch_size)
        if smallest < method.smallest_batch:
            raise InputError(
                f"Expected batches of {method.smallest_batch} images or more of each domain for {method!r}. Received: "
                f"{count} training images of the {what}, in batches of {data.batch_size}. Give more images or a larger "
                "batch_size."
            )
    return domains


def _check_source(data: LabelledData, first: LabelledData) -> None:
    if not is_labelled(data) or data.splits["train"].labels.ndim != 1:
        raise InputError(f"Expected a source with one class an image. Received:\n{data}")
    if data.mixes:
        raise InputError(
            "Expected a source whose augmentation keeps one class an image. Received: a source with "
            f"augment={data.augment!r}, which mixes images."
        )
    if data.class_names != first.class_names:
        raise InputError(
            f"Expected the same classes in all sources, {list(first.class_names)}. Received: {list(data.class_names)}."
        )


def check_target(model: keras.Model, target: PipelineData, sources: Sequence[LabelledData]) -> None:
    """Raises InputError unless a target fits the model and, if it has labels, has the classes of the sources."""
    if not isinstance(target, PipelineData):
        raise InputError(f"Expected `target` from kt.data, such as kt.data.unlabelled(...). Received: {target!r}.")
    if target.mixes:
        raise InputError(
            "Expected a target whose augmentation does not mix images. Received: a target with "
            f"augment={target.augment!r}."
        )
    target.kind.check_model(model)
    if is_labelled(target):
        if target.splits["train"].labels.ndim != 1:
            raise InputError(f"Expected a target with one class an image, or without labels. Received:\n{target}")
        names = sources[0].class_names if sources else target.class_names
        check_classes(names, target.class_names)
        if len(names) != model.output_shape[-1]:
            raise InputError(
                f"Expected a target with the model's {model.output_shape[-1]} classes. Received: {list(names)}."
            )


def check_classes(source: Sequence[str], target: Sequence[str]) -> None:
    """Raises InputError unless a target with labels has the classes of the source, in the same order."""
    if tuple(target) != tuple(source):
        raise InputError(
            f"Expected a target with the classes of the source, {list(source)}, or without labels. Received: "
            f"{list(target)}. Read the target without labels: kt.data.unlabelled(folder), or --ignore-target-labels in "
            "the shell."
        )


def _check_apart(source: LabelledData, target: LabelledData) -> None:
    """Raises InputError if source and target are the same images, and warns if they share some."""
    if source is target:
        raise InputError("Expected two domains. Received: the same data as source and target.")
    ours, theirs = ([examples.items for examples in data.splits.values()] for data in (source, target))
    if all(items.dtype.kind in "iuf" for items in (*ours, *theirs)):
        alike = [a for a in ours for b in theirs if a.shape == b.shape and np.array_equal(a, b)]
        if len(alike) == len(theirs):
            raise InputError("Expected two domains. Received: the same images as source and target.")
        return
    known = {str(item) for items in ours for item in items if items.dtype.kind not in "iuf"}
    images = [str(item) for items in theirs for item in items]
    common = sum(image in known for image in images)
    if common == len(images):
        raise InputError(
            f"Expected two domains. Received: a target of {common} images, all of which are in the source too"
            f"{f', both in {str(source.root)!r}' if source.root == target.root and source.root else ''}."
        )
    if common:
        warnings.warn(f"{common} of {len(images)} target images are in the source too.", DataWarning, stacklevel=4)
