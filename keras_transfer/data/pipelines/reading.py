"""From the indices of examples to batches of images and labels, as tf.data pipelines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import psutil
import tensorflow as tf

from keras_transfer.data.augment.named import Augmentation, Mixing
from keras_transfer.data.examples import Examples
from keras_transfer.data.pipelines.options import mapped
from keras_transfer.data.pixels.images import load_pixels
from keras_transfer.data.pixels.resizing import RESIZES

Read = Callable[[tf.Tensor], tf.Tensor]

_MEMORY_SHARE = 0.25  # of what is free, for the images of one split
_EPOCH = 2**32  # seeds of two epochs differ by it, so that seeds a user counts up do not meet


def images_of(
    order: tf.data.Dataset,
    examples: Examples,
    image_size: tuple[int, int],
    resize: str,
    *,
    tolerant: bool,
    keep: bool = False,
) -> tf.data.Dataset:
    """Yields image `(height, width, 3)` in [0, 255], label, index and epoch, for each `(index, epoch)`.

    Images from files are uint8, a quarter of the memory, until they are augmented or in a batch.

    Args:
        order: of the examples.
        examples: to read.
        image_size: (height, width) in pixels.
        resize: "crop", "pad" or "stretch".
        tolerant: pass over a file that cannot be read any more, and let another image take its place.
        keep: keep decoded images in memory from the first pass on, if they fit in a quarter of what is free.
    """
    items, labels = tf.constant(examples.items), tf.constant(examples.labels)  # captured, not copied into graphs
    shrink = RESIZES.find(resize)

    def compute(index: tf.Tensor) -> tf.Tensor:
        item = tf.gather(items, index)
        if items.dtype != tf.string:
            return tf.ensure_shape(shrink(item, image_size), (*image_size, 3))
        return load_pixels(item if examples.encoded else tf.io.read_file(item), image_size, resize)

    image_at = _kept(compute, len(examples), image_size) if keep and items.dtype == tf.string else compute

    def read(index: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return image_at(index), tf.gather(labels, index), index, epoch

    images = mapped(order, read)
    if not tolerant or not examples.in_files:
        return images
    size = len(examples)
    spare = tf.data.Dataset.range(size).map(lambda index: (index, tf.constant(0, tf.int64)))
    # with all files in order the first part has `size` images, and the second never begins
    return images.ignore_errors().concatenate(mapped(spare, read).ignore_errors()).take(size)


def read_pixels(examples: Examples, image_size: tuple[int, int], resize: str) -> np.ndarray:
    """Reads all examples in their order, unchanged: `(count, height, width, 3)` in [0, 255].

    Raises:
        tf.errors.OpError: if one of them cannot be read or decoded.
    """
    order = tf.data.Dataset.range(len(examples)).map(lambda index: (index, tf.constant(0, tf.int64)))
    rows = images_of(order, examples, image_size, resize, tolerant=False)
    return np.stack([image for image, *_ in rows.as_numpy_iterator()])


def _kept(image_at: Read, count: int, image_size: tuple[int, int]) -> Read:
    """Returns the same function, which computes each image once, if all of them fit in memory."""
    if count * 3 * image_size[0] * image_size[1] > _MEMORY_SHARE * psutil.virtual_memory().available:
        return image_at
    held = tf.lookup.experimental.MutableHashTable(tf.int64, tf.string, "")  # index to pixels, as serialized tensors

    def look_up(index: tf.Tensor) -> tf.Tensor:
        found = held.lookup(index)

        def compute() -> tf.Tensor:
            image = image_at(index)
            with tf.control_dependencies([held.insert(index, tf.io.serialize_tensor(image))]):
                return tf.identity(image)

        image = tf.cond(tf.equal(found, ""), compute, lambda: tf.io.parse_tensor(found, tf.uint8))
        return tf.ensure_shape(image, (*image_size, 3))

    return look_up


def augmented(images: tf.data.Dataset, change: Augmentation, seed: int) -> tf.data.Dataset:
    """Changes each image by a seed of its own in each epoch."""

    def apply(image: tf.Tensor, label: tf.Tensor, index: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        changed = change(tf.cast(image, tf.float32), tf.stack([seed + epoch * _EPOCH, index]))
        return tf.ensure_shape(tf.cast(changed, tf.float32), image.shape), label, index, epoch

    return mapped(images, apply)


def batched(
    images: tf.data.Dataset, batch_size: int, seed: int, mix: Mixing | None, num_classes: int | None
) -> tf.data.Dataset:
    """Makes batches of images and labels.

    Args:
        images: of `images_of` or `augmented`.
        batch_size: images in a batch.
        seed: of the mixing.
        mix: what is done to a batch, if anything.
        num_classes: for labels as shares float32 `(batch, num_classes)`; None to leave them as they are.
    """

    def finish(images: tf.Tensor, labels: tf.Tensor, index: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.cast(images, tf.float32)
        if num_classes is not None:
            labels = tf.one_hot(labels, num_classes)
        return (images, labels) if mix is None else mix(images, labels, tf.stack([seed + epoch[0] * _EPOCH, index[0]]))

    return mapped(images.batch(batch_size), finish)
