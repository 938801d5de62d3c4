"""The forms in which people hold images and labels in arrays, turned into the one that `Examples` have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError, DataWarning, InputError, unknown
from keras_transfer.data.classes import ordered, written
from keras_transfer.data.sources.cells import is_missing
from keras_transfer.tasks import TASKS, UNKNOWN, standardised

_FULL = 255.0
FORMS = (
    "(count, height, width) or (count, height, width, channels) with 1, 3 or 4 channels, or a list of arrays "
    "(height, width) or (height, width, channels)"
)
Range = tuple[float, float]


def as_images(images: Any, pixel_range: Range | None = None, channels: int | None = None) -> np.ndarray:
    """Returns images as uint8 or float32 `(count, height, width, channels)` in [0, 255].

    Images of different sizes become the bytes of PNG files `(count,)`, which lose nothing of uint8.

    Args:
        images: an array, or a list of arrays. Grey images get three equal channels; of four the last one, the
            transparency, is dropped. Booleans become 0 and 255.
        pixel_range: the values that stand for black and white; by default (0, 255), and for integers above 255 the
            range of the smallest number of bits that holds them.
        channels: those that the images have, to keep them as they are; None for three.

    Raises:
        InputError: if the shape or the dtype is another, or the range is empty.
        DataError: if a value is not a number.
    """
    if pixel_range is not None and not pixel_range[0] < pixel_range[1]:
        raise InputError(f"Expected pixel_range=(black, white), black below white. Received: {pixel_range!r}.")
    parts = _parts(images)
    if isinstance(parts, np.ndarray):
        return _scaled(_coloured(parts, channels), pixel_range)
    if channels not in (3, None):
        raise InputError(f"Expected images of one size, for channels={channels}. Received: several sizes.")
    coloured = [_coloured(part[np.newaxis])[0] for part in parts]
    whole = all(part.dtype.kind in "iu" and part.min(initial=0) >= 0 for part in coloured)
    if pixel_range is None and whole and any(part.max(initial=0) > _FULL for part in coloured):
        pixel_range = (0, _most(max(part.max(initial=0) for part in coloured)))
    if pixel_range is None and all(part.dtype.kind != "b" for part in coloured):
        warn_of_range(min(float(part.min()) for part in coloured), max(float(part.max()) for part in coloured))
        pixel_range = (0, _FULL)  # looked at as a whole: a dark picture among others is no sign
    found = []
    for part in coloured:  # one after the other, so that they are not held twice
        scaled = np.rint(_scaled(part, pixel_range)).clip(0, _FULL).astype(np.uint8)
        found.append(tf.io.encode_png(scaled).numpy())
    return np.array(found, dtype=object)


def as_labels(
    labels: Any, count: int, class_names: Sequence[str] | None, task: str | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns labels in the form of their task, and the name of each class, label or target.

    Args:
        labels: whole numbers `(count,)` or `(count, 1)`, from any number on and with gaps; names `(count,)`; one-hot
            `(count, num_classes)`; 0 and 1 `(count, num_labels)` for several labels; or floats for regression.
        count: number of images.
        class_names: name of each class; by default their numbers, or the names that occur.
        task: "classification", "several_labels" or "regression"; by default what the form of the labels says.

    Raises:
        InputError: if the task is unknown.
        DataError: if there is not one label for each image, or names and labels do not fit.
    """
    if task is not None and task not in TASKS.names():
        raise unknown("task", task, TASKS.names())
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape[1] == 1 and task != "several_labels":
        found = found[:, 0]
    if found.dtype.kind in "OUS" and found.shape == (count,):
        return _of_names(found, class_names)
    names = None if class_names is None else tuple(written(str(name)) for name in class_names)
    if task == "regression":
        found = found.astype(np.float32)
    elif task == "several_labels" and found.dtype.kind == "f":
        found = np.where(np.isnan(found), UNKNOWN, found)
        found = found.astype(np.int64) if np.array_equal(found, np.floor(found)) else found
    elif task != "several_labels" and len(found) == count and _is_one_hot(found):
        names = names or tuple(map(str, range(found.shape[1])))
        found = found.argmax(axis=1)
    elif found.dtype.kind == "b" or (task is not None and np.array_equal(found, np.floor(found))):
        found = found.astype(np.int64)
    if task == "classification" and found.dtype.kind == "f":
        raise DataError(
            f"Expected one class an image, as a number, a name or a one-hot row. Received: {found.dtype} {found.shape} "
            "with others than whole numbers. Of shares of classes take the largest, labels.argmax(axis=1)."
        )
    if found.ndim == 1 and found.dtype.kind in "iu" and len(found) == count:
        return _of_numbers(found, names)
    found = standardised(found, count)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise DataError(
            "Expected `labels` that are numbers. Received: not-a-number or infinity among them. With "
            "task='several_labels' not-a-number means not known."
        )
    width = found.shape[1] if found.ndim == 2 else 1
    names = names or tuple(map(str, range(width)))
    if len(names) < width:
        raise DataError(f"Expected a name for each of {width} labels or targets. Received: {list(names)}.")
    return found, names


def _parts(images: Any) -> np.ndarray | list[np.ndarray]:
    """Returns one array of all images if they are of one size, and a list of arrays otherwise."""
    if isinstance(images, np.ndarray) and images.dtype != object:
        found: np.ndarray | list[np.ndarray] = images
    else:
        if not isinstance(images, (list, tuple, np.ndarray)):
            images = np.asarray(images)
            return _parts(images) if images.dtype != object else _refuse(images)
        found = [np.asarray(image) for image in images]
        if not found or any(part.ndim not in (2, 3) or part.dtype.kind not in "biuf" for part in found):
            _refuse(images)
        if len({part.shape for part in found}) == 1:
            found = np.stack(found)
    if isinstance(found, np.ndarray) and (found.dtype.kind not in "biuf" or found.ndim not in (3, 4)):
        _refuse(found)
    return found


def _coloured(images: np.ndarray, channels: int | None = None) -> np.ndarray:
    """Gives images of `(count, height, width)` or with 1, 3 or 4 channels the three that networks take."""
    if images.ndim == 3 and images.shape[-1] in (3, 4):
        raise InputError(
            f"Expected {FORMS}. Received: {images.dtype} {images.shape}. For one image write images[np.newaxis], for "
            "grey ones of this width images[..., np.newaxis]."
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    found = images.shape[-1]
    if channels == found:
        return images
    if found not in (1, 3, 4) or channels not in (3, None):
        hint = f" Pass channels={found} to keep all of them." if channels is None else f" You passed {channels=}."
        if images.shape[1] in (1, 3, 4, channels) and found > 4:
            hint = " Channels that come first are moved by images.transpose(0, 2, 3, 1)."
        raise InputError(f"Expected {FORMS}. Received: {images.dtype} {images.shape}.{hint}")
    return np.repeat(images, 3, axis=-1) if found == 1 else images[..., :3]


def _scaled(images: np.ndarray, pixel_range: Range | None) -> np.ndarray:
    """Brings values to [0, 255]: uint8 where nothing is lost by it, or float32."""
    low, high = (images.min(), images.max()) if images.size else (0, 0)
    if images.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high)):
        raise DataError("Expected images whose values are numbers. Received: not-a-number or infinity among them.")
    if images.dtype.kind == "b":
        return images.astype(np.uint8) * np.uint8(_FULL)
    if pixel_range is None and images.dtype.kind in "iu" and low >= 0 and high > _FULL:
        pixel_range = (0, _most(int(high)))
    if pixel_range is None:
        warn_of_range(float(low), float(high))
    if pixel_range is None or tuple(pixel_range) == (0, _FULL):
        fits = images.dtype.kind in "iu" and low >= 0
        return images.astype(np.uint8 if fits else np.float32, copy=False)
    black, white = pixel_range
    scaled = (images.astype(np.float32) - np.float32(black)) * np.float32(_FULL / (white - black))
    return np.clip(scaled, 0, _FULL, out=scaled)


def _most(value: int) -> int:
    """Returns the largest number of the fewest bits that hold a value: 4095 for 3000."""
    return 2 ** int(value).bit_length() - 1


def warn_of_range(low: float, high: float) -> None:
    """Warns of images whose values are not in [0, 255]."""
    if (low >= 0 and 1 < high <= _FULL) or low == high == 0:
        return
    guess = (0, 1) if low >= 0 and high <= 1 else (-1, 1) if low >= -1 and high <= 1 else (float(low), float(high))
    warnings.warn(
        f"The images have values from {low:.4g} to {high:.4g}, where networks here take 0 for black and 255 for white. "
        f"If they are scaled, pass pixel_range={guess}.",
        DataWarning,
        stacklevel=5,
    )


def _is_one_hot(labels: np.ndarray) -> bool:
    """Says whether each row is 0 but for one 1."""
    if labels.ndim != 2 or labels.dtype.kind not in "biuf" or labels.shape[1] < 2 or not len(labels):
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def _of_names(labels: np.ndarray, class_names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    texts = [written(each.decode() if isinstance(each, bytes) else str(each)) for each in labels.tolist()]
    if any(map(is_missing, labels.tolist())):
        raise DataError("Expected a name for each image. Received: None or not-a-number among `labels`.")
    names = ordered(texts) if class_names is None else tuple(written(str(name)) for name in class_names)
    number = {name: index for index, name in enumerate(names)}
    strangers = sorted(set(texts) - set(names))
    if strangers:
        raise DataError(f"Expected labels of the classes {list(names[:20])}. Received: {strangers[0]!r}.")
    return np.array([number[text] for text in texts], np.int64), names


def _of_numbers(labels: np.ndarray, names: tuple[str, ...] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers classes from 0, if their numbers begin elsewhere or have gaps."""
    present, index = np.unique(labels, return_inverse=True)
    last = int(present[-1]) if len(present) else -1
    if len(present) and present[0] < 0:
        raise DataError(f"Expected `labels` integers from 0 ({len(labels)},). Received: {present[0]}.")
    if names is None:
        return index.astype(np.int64), tuple(str(number) for number in present)
    if last < len(names):
        return labels.astype(np.int64), names
    if len(present) == len(names):
        return index.astype(np.int64), names
    raise DataError(
        f"Expected a name for each of the classes {[int(number) for number in present[:20]]}. Received: {list(names)}."
    )


def _refuse(images: Any) -> Any:
    received = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else f"a {type(images).__name__}"
    raise InputError(f"Expected `images` {FORMS}. Received: {received}.")
