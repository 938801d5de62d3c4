"""CachedDataset and extract_features: activations as datasets for your own `model.fit`, or as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import ref

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._arguments import VERBOSE, takes
from keras_transfer._checks import InputError
from keras_transfer.caching.activations import Activations, Arrays
from keras_transfer.caching.settings import Cache
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.pipelines.options import mapped, ready
from keras_transfer.engines import ENGINE, Runner
from keras_transfer.models.stages import MODEL, averaged, check_one_way
from keras_transfer.models.stages import split as split_model


class CachedDataset:
    """Datasets of stored activations at a stage of a model, in the same batches and order as the images.

    Compile and fit the attribute `model`, the part after the stored activations. It shares its weights with the full
    model.

    Args:
        model: a model made by `build_model`.
        data: images with labels.
        at: name of the first stage of the part to train, or "features" for the head alone.
        cache: where the activations are stored. With an augmentation, `Cache(views=...)` is needed.
        verbose: 0 for no progress bar.

    Attributes:
        model: the part of the model from the stored activations to `predictions`.
        train: batches of activations, float32, and labels, shuffled in every epoch like `data.train`.
        validation: the same for the validation images, in a fixed order; None if there are none.
        test: the same for the test images, in a fixed order; None if there are none.

    Raises:
        InputError: if the stage is unknown, or images are mixed, or augmented without `views`.
        DiskError: if another user's activations are there, which cannot be read.
        OSError: if the disk is full. Incomplete files are removed.
        MemoryError: if the activations are larger than the limits of memory and disk.

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
        check_one_way(model)
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


@takes(model=MODEL, engine=ENGINE, verbose=VERBOSE)
def extract_features(
    model: keras.Model,
    dataset: LabelledData | tf.data.Dataset,
    at: str | Sequence[str] = "features",
    *,
    engine: str = "auto",
    verbose: str | int = "auto",
) -> tuple[np.ndarray, np.ndarray]:
    """Returns activations of a model, and the labels, as NumPy arrays.

    Args:
        model: a model made by `build_model`.
        dataset: batches of images and labels, such as `data.validation`; or ImageData, for its training images without
            augmentation, in the order of its examples.
        at: "features" for the pooled vector, or the name of a stage for its input. A tuple of such names gives what
            enters several stages, each averaged over height and width, one after another in one vector.
        engine: what computes; "auto" for the fastest whose numbers are TensorFlow's, as in `Cache`.
        verbose: 0 for no progress bar.

    Returns:
        The activations, float32 `(count, ...)`, and the labels, `(count, ...)`.

    Raises:
        InputError: if a stage is unknown, it has several input tensors (NASNet) and is not one of a tuple, or there
            are no images.

    Example:
        >>> import numpy as np
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> images = tf.data.Dataset.from_tensors((np.zeros((4, 32, 32, 3)), np.zeros(4)))
        >>> extract_features(model, images, at=("block4", "block5", "features"), verbose=0)[0].shape
        (4, 448)
    """
    prefix = split_model(model, at)[0] if isinstance(at, str) else _pooled(model, at)
    if len(prefix.inputs) > 1:
        check_one_way(model)
    if len(prefix.outputs) > 1:
        raise InputError(f"Expected a cut that one tensor crosses. Received: at={at!r}, {len(prefix.outputs)} tensors.")
    batches = dataset.in_order("train") if isinstance(dataset, LabelledData) else dataset
    features, labels = [], []
    total = int(batches.cardinality())
    progress = keras.utils.Progbar(total if total > 0 else None, verbose=1 if verbose == "auto" else verbose)
    for step, (images, given, *_) in enumerate(batches, start=1):
        if step == 1:
            run = Runner(prefix, max(total, 0) * len(images), engine, "features" if verbose else None)
        features.append(run(images)[0])
        labels.append(np.asarray(given))
        progress.update(step)
    if not features:
        raise InputError("Expected images. Received: a dataset without any.")
    return np.concatenate(features), np.concatenate(labels)


def _pooled(model: keras.Model, cuts: Sequence[str]) -> keras.Model:
    """Returns the model from the images to one vector of what crosses several cuts, averaged over all places."""
    if not cuts:
        raise InputError("Expected one stage or more. Received: an empty `at`.")
    tensors = [tensor for cut in cuts for tensor in split_model(model, cut)[0].outputs]
    vectors = [averaged(tensor) for tensor in tensors]
    return keras.Model(model.inputs, keras.ops.concatenate(vectors, axis=-1) if len(vectors) > 1 else vectors[0])


def train_batches(data: LabelledData, arrays: Arrays, views: int) -> tf.data.Dataset:
    """Returns batches of activations and labels in the order of `data.train`; each use of an image is its next view.

    Args:
        data: the images.
        arrays: the activations of all views of the training images, view after view.
        views: number of views of each image.
    """
    size = len(data.splits["train"])
    order = data.order().batch(data.batch_size)
    repeats = _label_views(data, views)
    return _batches(
        data,
        "train",
        arrays,
        order,
        lambda index, use: index + (use % views) * size,
        lambda index, use: index + (use % repeats) * size,
        repeats,
    )


def ordered_batches(data: LabelledData, split: str, arrays: dict[str, Arrays]) -> tf.data.Dataset | None:
    """Returns batches of activations and labels of a split in a fixed order, or None if there is no such split."""
    if split not in arrays:
        return None
    order = tf.data.Dataset.range(len(data.splits[split])).batch(data.batch_size)
    return _batches(data, split, arrays[split], order, lambda index: index)


def _label_views(data: LabelledData, views: int) -> int:
    """Returns the number of views of the training images whose labels differ: of masks all, and of what is taught."""
    if data.taught is not None:
        return len(data.taught)
    return views if data.masked and data.augmented else 1


class _Held:
    """Arrays that batches are gathered from, for as long as the batches live."""

    def __init__(self, arrays: Arrays):
        self.arrays = arrays


def _batches(
    data: LabelledData,
    split: str,
    arrays: Arrays,
    order: tf.data.Dataset,
    row_of: Callable[..., tf.Tensor],
    label_of: Callable[..., tf.Tensor] = lambda index: index,
    label_views: int = 1,
) -> tf.data.Dataset:
    """Returns batches of activations and labels.

    Args:
        data: the images.
        split: name of the split.
        arrays: the activations of the split.
        order: batches of indices of examples, and possibly how often each was used before.
        row_of: function from the elements of `order` to row numbers in `arrays`.
        label_of: the same to those of the labels.
        label_views: number of views of which labels differ.
    """
    labels = tf.constant(data.batch_labels(split, label_views))
    held = _Held(arrays)
    known, types, shapes = ref(held), [tf.float32] * len(arrays), [array.shape for array in arrays]

    def read(row: np.ndarray) -> list[np.ndarray]:
        alive = known()
        if alive is None:
            raise RuntimeError("Expected batches that are still there. Received: a request after they were deleted.")
        return [array.read(row) for array in alive.arrays]

    def gather(index: tf.Tensor, *use: tf.Tensor) -> tuple[tf.Tensor | tuple[tf.Tensor, ...], tf.Tensor]:
        found = tf.numpy_function(read, [row_of(index, *use)], types, stateful=False)
        found = [tf.ensure_shape(each, (None, *shape)) for each, shape in zip(found, shapes, strict=True)]
        return found[0] if len(found) == 1 else tuple(found), tf.gather(labels, label_of(index, *use))

    batches = ready(mapped(order, gather), len(data.splits[split]), data.batch_size)
    # TensorFlow never lets go of `read`: the batches own what it reads. What is made of them, and iterators, hold them.
    batches.held = held
    return batches
