"""Batches: the forms in which people hold labelled examples, as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.sources.array_forms import warn_of_range
from keras_transfer.models.stages import marks_of_stages

_BATCH = 32
FORMS = (
    "a tf.data.Dataset such as data.validation, a keras.utils.PyDataset, a generator of batches, or arrays "
    "(images, labels)"
)


def batches_of(source: Any, model: keras.Model, steps: int | None = None) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields inputs and labels batch by batch. Weights of examples are passed over.

    Args:
        source: a `tf.data.Dataset` of `(inputs, labels)` or `(inputs, labels, weights)`, in batches or not; a
            `keras.utils.PyDataset`, or what else has a length and gives such batches by number; a generator of them;
            or arrays `(inputs, labels)`.
        model: for which they are.
        steps: number of batches; by default all.

    Raises:
        InputError: if the source is of another form.
        DataError: if an element is no pair of inputs and labels.
    """
    for element in islice(_batched(_elements(source, model), model), steps):
        if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
            raise DataError(f"Expected elements (images, labels). Received: {_described(element)}.")
        yield element[0], np.asarray(element[1])


def check_images(images: Any, model: keras.Model) -> None:
    """Checks that images have the form that a model takes, and warns if they look scaled, which its input is not.

    Raises:
        InputError: if their shape is another.
    """
    shape, wanted = getattr(images, "shape", None), getattr(model, "input_shape", None)
    if not isinstance(wanted, tuple) or not wanted or isinstance(wanted[0], tuple) or shape is None:
        return
    if len(shape) != len(wanted) or any(
        size not in (None, has) for size, has in zip(wanted[1:], shape[1:], strict=True)
    ):
        raise InputError(f"Expected inputs {('batch', *wanted[1:])}. Received: shape {tuple(shape)}.")
    if marks_of_stages(model) and len(shape) == 4:
        values = np.asarray(images)
        warn_of_range(float(values.min()), float(values.max()))


def _batched(elements: Iterable[Any], model: keras.Model) -> Iterable[Any]:
    """Makes batches of single examples; batches stay as they are."""
    wanted = _first_shape(model)
    waiting: list[Any] = []
    for element in elements:
        single = isinstance(element, (tuple, list)) and len(element) in (2, 3) and _is_single(element[0], wanted)
        if not single:
            yield element
            continue
        waiting.append((np.asarray(element[0]), np.asarray(element[1])))
        if len(waiting) == _BATCH:
            yield tuple(np.stack(part) for part in zip(*waiting, strict=True))
            waiting = []
    if waiting:
        yield tuple(np.stack(part) for part in zip(*waiting, strict=True))


def _is_single(image: Any, wanted: Any) -> bool:
    shape = getattr(image, "shape", None)
    rank = getattr(shape, "rank", None) if hasattr(shape, "rank") else None if shape is None else len(shape)
    if rank is None and hasattr(image, "getbands"):  # a picture of Pillow
        return True
    return rank is not None and rank == len(wanted) - 1


def _elements(source: Any, model: keras.Model) -> Iterable[Any]:
    if isinstance(source, tf.data.Dataset):
        spec = source.element_spec
        first = tf.nest.flatten(spec[0] if isinstance(spec, tuple) else spec)[0]
        single = first.shape.rank is not None and first.shape.rank == len(_first_shape(model)) - 1
        return source.batch(_BATCH) if single else source
    if isinstance(source, (tuple, list)) and len(source) in (2, 3) and all(hasattr(part, "shape") for part in source):
        images, labels = (np.asarray(part) for part in source[:2])
        if len(images) != len(labels):
            raise DataError(f"Expected a label for each image. Received: {len(images)} images, {len(labels)} labels.")
        starts = range(0, len(images), _BATCH)
        return ((images[start : start + _BATCH], labels[start : start + _BATCH]) for start in starts)
    if not isinstance(source, (np.ndarray, str, bytes)):
        if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
            return (source[index] for index in range(len(source)))
        if isinstance(source, Iterable):
            return source
    raise InputError(f"Expected {FORMS}. Received: {type(source).__name__}.")


def _first_shape(model: keras.Model) -> tuple[int | None, ...]:
    shape: Any = model.input_shape
    first = shape[0] if shape and isinstance(shape[0], (tuple, list)) else shape
    return tuple(first)


def _described(element: Any) -> str:
    return f"a tuple of {len(element)}" if isinstance(element, (tuple, list)) else type(element).__name__
