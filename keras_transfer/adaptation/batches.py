"""Joins batches of several domains into one element: `((images of each domain, ...), labels of the sources)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.adaptation.alignment import Alignment

Source: TypeAlias = tf.data.Dataset | Sequence[tf.data.Dataset] | None
Datasets: TypeAlias = tuple[Source, tf.data.Dataset | None]


def joined(datasets: Datasets, method: Alignment) -> tf.data.Dataset:
    """Returns the dataset that an AdaptationModel trains on, made of the `(source, target)` that a user passes to it.

    Raises:
        InputError: if a domain is missing that the method needs, the target's batches have labels, or the number of
            batches in an epoch is unknown or infinite.
    """
    if not isinstance(datasets, (tuple, list)) or len(datasets) != 2:
        raise InputError(f"Expected `(source, target)` datasets. Received: {type(datasets).__name__}.")
    source, target = datasets
    sources: list[Any] = [] if source is None else list(source) if isinstance(source, (tuple, list)) else [source]
    check_present(len(sources), target is not None, method)
    for each in sources:
        if not isinstance(each, tf.data.Dataset) or not isinstance(each.element_spec, tuple):
            raise InputError(f"Expected `source` batches of images and labels. Received: {each!r}.")
    if target is not None and (not isinstance(target, tf.data.Dataset) or isinstance(target.element_spec, tuple)):
        raise InputError(
            "Expected `target` batches of images alone, a tf.data.Dataset. Received: "
            f"{getattr(target, 'element_spec', target)!r}. Drop labels by target.map(lambda images, labels: images)."
        )
    for each in sources or [target]:
        if each is not None and each.cardinality() < 0:
            raise InputError(
                "Expected a dataset whose number of batches is known, because some methods change with the progress of "
                f"training. Received: {each!r}. Apply tf.data.experimental.assert_cardinality to it, or `take`."
            )
    return side_by_side(sources, target if method.needs_target else None)


def check_present(sources: int, has_target: bool, method: Alignment) -> None:
    """Raises InputError if a domain is missing that the method needs."""
    if method.needs_source and not sources:
        raise InputError(f"Expected a labelled `source` for {method!r}. Received: None.")
    if method.needs_target and not has_target:
        raise InputError(f"Expected a `target` for {method!r}. Received: None.")


def side_by_side(sources: Sequence[tf.data.Dataset], target: tf.data.Dataset | None) -> tf.data.Dataset:
    """Returns the joined batches of all domains. The target is repeated as often as one pass over the sources needs."""
    parts = [*sources, *([target.repeat() if sources else target] if target is not None else [])]

    def join(*elements: Any) -> tuple[Any, tf.Tensor]:
        images = [element[0] for element in elements[: len(sources)]] + list(elements[len(sources) :])
        labels = [element[1] for element in elements[: len(sources)]]
        return tuple(images), tf.concat(labels, axis=0) if labels else tf.zeros((0,), tf.int64)

    if len(parts) == 1:
        return parts[0].map(lambda *element: join(element if sources else element[0]))
    return tf.data.Dataset.zip(*parts).map(join)
