"""From the indices of examples to batches of images and labels, as tf.data pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._memory import available_memory
from keras_transfer.data.augment import Mixing
from keras_transfer.data.examples import Examples
from keras_transfer.data.kinds import Kind
from keras_transfer.data.pipelines.fetching import fetched
from keras_transfer.data.pipelines.options import as_written, mapped
from keras_transfer.data.pipelines.order import Order, in_turn
from keras_transfer.data.pipelines.substitutes import Substitutes

Read = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # of an index and what the examples hold there

_MEMORY_SHARE = 0.25  # of what is free, for the images of one split
_PER_USE = 2**32  # seeds of two uses of an image differ by it, so that seeds a user counts up do not meet


def examples_of(
    order: Order,
    examples: Examples,
    kind: Kind,
    *,
    substitutes: Substitutes | None = None,
    keep: bool = False,
) -> tf.data.Dataset:
    """Yields for each place of a pass an image `(height, width, 3)` in [0, 255], label, index, use, place and epoch.

    Images from files are uint8, a quarter of the memory, until they are augmented or in a batch.

    Args:
        order: of the examples.
        examples: to read.
        kind: what the examples are, and the form in which they are wanted.
        substitutes: for images that cannot be read any more; without them they are an error.
        keep: keep decoded images in memory from the first pass on, if they fit in a quarter of what is free.
    """

    read_item = _reader(examples, kind)

    def compute(index: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        return read_item(item)

    decoded = examples.items.dtype.kind in "iuf"
    image_at = compute if decoded or not keep else _kept(compute, len(examples), kind.spec)

    def read(order: Order, first_place: int = 0) -> tf.data.Dataset:
        @as_written
        def one(item: tf.Tensor, label: tf.Tensor, index: tf.Tensor, *more: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return image_at(index, item), label, index, *more

        return mapped(fetched(order, [examples.items, examples.labels], first_place=first_place), one)

    images = read(order)
    return images if substitutes is None else substitutes.fill(images, read)


def example_of(item: Any, examples: Examples, kind: Kind) -> tf.Tensor:
    """Returns one example in the form wanted, from what examples hold of it.

    Raises:
        tf.errors.OpError: if it cannot be read or decoded.
    """
    return _reader(examples, kind)(item)


def _reader(examples: Examples, kind: Kind) -> Callable[[tf.Tensor], tf.Tensor]:
    if examples.items.dtype.kind in "iuf":
        return kind.fit
    return kind.decode if examples.encoded else kind.reader(examples.items)


def read_pixels(examples: Examples, kind: Kind) -> np.ndarray:
    """Reads all examples in their order, unchanged: `(count, height, width, 3)` in [0, 255].

    Raises:
        tf.errors.OpError: if one of them cannot be read or decoded.
    """
    rows = examples_of(in_turn(len(examples)), examples, kind)
    return np.stack([image for image, *_ in rows.as_numpy_iterator()])


def _kept(image_at: Read, count: int, spec: tf.TensorSpec) -> Read:
    """Returns the same function, which computes each image once, if all of them fit in memory."""
    if count * spec.shape.num_elements() * spec.dtype.size > _MEMORY_SHARE * available_memory():
        return image_at
    held = _pixels_by_index()

    def look_up(index: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        found = held.lookup(index)

        def compute() -> tf.Tensor:
            image = image_at(index, item)
            with tf.control_dependencies([held.insert(index, tf.io.serialize_tensor(image))]):
                return tf.identity(image)

        image = tf.cond(tf.equal(found, ""), compute, lambda: tf.io.parse_tensor(found, spec.dtype))
        return tf.ensure_shape(image, spec.shape)

    return look_up


def _pixels_by_index() -> tf.lookup.experimental.MutableHashTable:
    """Returns a table of pixels, as serialized tensors, that is gone when the last pipeline of it is.

    TensorFlow keeps a table that has a name, and with it the images, until the process ends.
    """
    return tf.lookup.experimental.MutableHashTable(tf.int64, tf.string, "", experimental_is_anonymous=True)


def augmented(
    images: tf.data.Dataset, change: Any, seed: int, kind: Kind, views: int | None, *, masks: bool
) -> tf.data.Dataset:
    """Changes each image by a seed of its own each time it is used: once an epoch, or as its order says.

    Args:
        images: of `examples_of`.
        change: an `Augmentation`, what is done to an image; with masks a `MaskChange`, what is done to both.
        seed: of all changes.
        kind: what the images are.
        views: number of uses after which they repeat themselves; None for never.
        masks: labels are masks, which are changed too.
    """

    def apply(image: tf.Tensor, label: tf.Tensor, index: tf.Tensor, use: tf.Tensor, *more: tf.Tensor) -> Any:
        view = use if views is None else use % views
        own, given = tf.stack([seed + view * _PER_USE, index]), tf.cast(image, kind.dtype)
        changed, label = change(given, label, own) if masks else (change(given, own), label)
        return tf.ensure_shape(tf.cast(changed, kind.dtype), image.shape), label, index, use, *more

    return mapped(images, apply)


def batched(
    images: tf.data.Dataset,
    kind: Kind,
    batch_size: int,
    seed: int,
    mix: Mixing | None,
    num_classes: int | None,
    substitutes: Substitutes | None = None,
    taught: np.ndarray | None = None,
    trim: bool = False,
) -> tf.data.Dataset:
    """Makes batches of images and labels.

    Args:
        images: of `examples_of` or `augmented`.
        kind: what they are.
        batch_size: images in a batch.
        seed: of the mixing.
        mix: what is done to a batch, if anything.
        num_classes: for labels as shares float32 `(batch, num_classes)`; None to leave them as they are.
        substitutes: those of `examples_of`.
        taught: in place of labels, `(views, count, width)`; see `LabelledData`.
        trim: leave out of a batch what no example of it needs.
    """
    table = None if taught is None else tf.constant(taught.reshape(-1, taught.shape[-1]))

    def finish(images: tf.Tensor, labels: tf.Tensor, index: tf.Tensor, use: tf.Tensor, *_: tf.Tensor) -> Any:
        if trim:
            images = kind.trimmed(images)
            labels = kind.labels_of(labels, images)
        images = tf.cast(images, kind.dtype)
        if taught is not None:
            labels = tf.gather(table, use % taught.shape[0] * taught.shape[1] + index)
        elif num_classes is not None:
            labels = tf.one_hot(labels, num_classes)
        if mix is None:
            return images, labels
        return mix(images, labels, tf.stack([seed + use[0] * _PER_USE, index[0]]))

    batches = images.batch(batch_size)
    return mapped(batches if substitutes is None else substitutes.watch(batches), finish)
