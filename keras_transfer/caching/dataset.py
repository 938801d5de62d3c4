"""CachedDataset and extract_features: activations for a `model.fit` of one's own, or for NumPy."""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.caching.activations import Activations, Arrays, forward
from keras_transfer.caching.settings import Cache
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.pipelines.options import mapped, ready
from keras_transfer.models.stages import split as split_model


class CachedDataset:
    """Activations of a frozen part in place of images, in the same batches and the same order.

    Compile and fit `model`, which is the open part: it shares its weights with the whole.

    Args:
        model: a model made by `build_model`.
        data: images with labels.
        at: first stage of the open part, or "features" for the head alone.
        cache: where the activations are kept. With an augmentation give `Cache(views=...)`.
        verbose: 0 for no progress bar.

    Attributes:
        model: the open part, from the cut to `predictions`.
        train: batches of activations float32 and labels, shuffled over the whole set in every epoch like `data.train`.
        validation: batches in a fixed order; None where there are none.
        test: the same of the test images.

    Raises:
        InputError: for an unknown stage, or images that are augmented without `views` or mixed.
        DiskError: if the activations are there, but another user's who does not let us read them.
        OSError: if the disk is full. Nothing half written is left.
        MemoryError: if the activations fit nowhere within the limits.

    Example:
        >>> import numpy as np
        >>> from keras_transfer import build_model, data
        >>> images, labels = np.zeros((8, 32, 32, 3), "uint8"), np.arange(8) % 2
        >>> images = data.from_arrays(images, labels, class_names=["a", "b"])
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> cached = CachedDataset(model, images, verbose=0)
        >>> cached.train.element_spec[0].shape
        TensorShape([None, 256])
    """

    def __init__(
        self,
        model: keras.Model,
        data: LabelledData,
        at: str = "features",
        *,
        cache: Cache | None = None,
        verbose: str | int = "auto",
    ):
        cache = cache or Cache()
        if data.mixes:
            raise InputError(
                "Expected images that are not mixed: mixing activations is not the same. "
                f"Received: augment={data.augment!r}."
            )
        if data.augmented and not cache.views:
            raise InputError(
                "Expected images that are not augmented, or Cache(views=...), the number of augmented views to keep. "
                f"Received: augment={data.augment!r}."
            )
        self.model = split_model(model, at)[1]
        activations = Activations(model, data, [at], cache, list(data.splits), verbose)
        arrays = activations.at(at)
        self.train = train_batches(data, arrays["train"], activations.views)
        self.validation = ordered_batches(data, "validation", arrays)
        self.test = ordered_batches(data, "test", arrays)


def extract_features(
    model: keras.Model, dataset: LabelledData | tf.data.Dataset, at: str = "features", *, verbose: str | int = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a model gives at a cut, and the labels, as NumPy arrays.

    Args:
        model: a model made by `build_model`.
        dataset: batches of images and labels, such as `data.validation`, or ImageData for its training images in the
            order of its examples, not augmented.
        at: "features" for the pooled vector, or a stage for what enters it.
        verbose: 0 for no progress bar.

    Returns:
        Activations float32 `(count, ...)` and labels.

    Raises:
        InputError: for an unknown stage, one into which several tensors lead (NASNet), or no images.
    """
    prefix = split_model(model, at)[0]
    if len(prefix.outputs) > 1:
        raise InputError(f"Expected a cut that one tensor crosses. Received: at={at!r}, {len(prefix.outputs)} tensors.")
    batches = dataset.in_order("train") if isinstance(dataset, LabelledData) else dataset
    run, features, labels = forward(prefix), [], []
    total = int(batches.cardinality())
    progress = keras.utils.Progbar(total if total > 0 else None, verbose=1 if verbose == "auto" else verbose)
    for step, (images, given, *_) in enumerate(batches, start=1):
        features.append(run(tf.cast(images, tf.float32))[0].numpy())
        labels.append(np.asarray(given))
        progress.update(step)
    if not features:
        raise InputError("Expected images. Received: a dataset without any.")
    return np.concatenate(features), np.concatenate(labels)


def train_batches(data: LabelledData, arrays: Arrays, views: int) -> tf.data.Dataset:
    """Returns batches in the order that `data.train` would have, each epoch with the next view of the images."""
    size = len(data.splits["train"])
    order = data.order().batch(data.batch_size)
    return _batches(data, "train", arrays, order, lambda index, epoch: index + (epoch % views) * size)


def ordered_batches(data: LabelledData, split: str, arrays: dict[str, Arrays]) -> tf.data.Dataset | None:
    """Returns batches of a split in a fixed order, or None if there is no such split."""
    if split not in arrays:
        return None
    order = tf.data.Dataset.range(len(data.splits[split])).batch(data.batch_size)
    return _batches(data, split, arrays[split], order, lambda index: index)


class _Held:
    """Arrays that batches are gathered from, for as long as the batches live."""

    def __init__(self, arrays: Arrays):
        self.arrays = arrays


def _batches(
    data: LabelledData, split: str, arrays: Arrays, order: tf.data.Dataset, row_of: Callable[..., tf.Tensor]
) -> tf.data.Dataset:
    """Gathers activations: `order` yields batches of the indices of examples, `row_of` finds the rows of theirs."""
    labels = tf.constant(data.splits[split].labels)
    held = _Held(arrays)
    known, types, shapes = ref(held), [tf.float32] * len(arrays), [array.shape for array in arrays]

    def read(row: np.ndarray) -> list[np.ndarray]:
        alive = known()
        if alive is None:
            raise RuntimeError("Expected batches that are still there. Received: a request after they were deleted.")
        return [array.read(row) for array in alive.arrays]

    def gather(index: tf.Tensor, *epoch: tf.Tensor) -> tuple[tf.Tensor | tuple[tf.Tensor, ...], tf.Tensor]:
        found = tf.numpy_function(read, [row_of(index, *epoch)], types, stateful=False)
        found = [tf.ensure_shape(each, (None, *shape)) for each, shape in zip(found, shapes, strict=True)]
        return found[0] if len(found) == 1 else tuple(found), tf.gather(labels, index)

    batches = ready(mapped(order, gather), len(data.splits[split]), data.batch_size)
    # TensorFlow never lets go of `read`: the batches own what it reads. What is made of them, and iterators, hold them.
    batches.held = held
    return batches
