"""Augmentations: random changes to training images that leave their class as it is, or mix two of them.

They run in tf.data, outside the model. Each draws its random numbers from the seed it is given and from nothing else,
so that epoch 7 of a run sees the same images whenever it is repeated. `augment=` takes a name, a function of one image
float32 `(height, width, 3)` in [0, 255], a layer of Keras such as `keras.layers.RandAugment()`, or a list of these,
which are applied in order. `keras.layers.MixUp` and `CutMix`, or their names, mix the images of a batch and their
labels, after everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from keras_transfer._checks import InputError, unknown
from keras_transfer._registry import Registry
from keras_transfer.data.augment.moves import (
    mirrored,
    moved_lightly,
    moved_strongly,
    moved_upright,
    moves,
    stays,
    turned,
)
from keras_transfer.data.augment.seeded_layers import Augmentation, Mixing, SeededLayer, copy_of, mixing_by
from keras_transfer.data.augment.trivial import OneOfLayers, trivial_layers

Augment: TypeAlias = str | keras.layers.Layer | Callable[[tf.Tensor], tf.Tensor] | Sequence[Any]

AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")
MIXINGS: Registry[Callable[[], keras.layers.Layer]] = Registry("mixing")
_MIXING_LAYERS = (keras.layers.MixUp, keras.layers.CutMix)

# Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018), https://arxiv.org/abs/1710.09412
MIXINGS.register("mixup")(lambda: keras.layers.MixUp(alpha=0.2))
# Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers" (2019), https://arxiv.org/abs/1905.04899
MIXINGS.register("cutmix")(lambda: keras.layers.CutMix(factor=1.0))


@AUGMENTATIONS.register("none")
@moves(stays)
def none(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Leaves the image as it is."""
    return image


@AUGMENTATIONS.register("light")
@moves(moved_lightly)
def light(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips left and right, and crops to 70% of the area or more."""
    return moved_lightly(image, seed)


@AUGMENTATIONS.register("mirror")
@moves(mirrored)
def mirror(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shows the image and its mirror image in turn, one epoch after the other. With `Cache(views=2)` both are kept.

    In a list it is so as the first part alone; elsewhere it is drawn which of both is shown.
    """
    return mirrored(image, seed)


@AUGMENTATIONS.register("strong")
@moves(moved_strongly)
def strong(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips left and right, crops to 35% of the area or more, and changes brightness, contrast and colour."""
    seeds = tf.random.split(seed, 6)
    image = moved_strongly(image, seed)
    image = tf.image.stateless_random_brightness(image / 255, 0.2, seeds[2])
    image = tf.image.stateless_random_contrast(image, 0.7, 1.3, seeds[3])
    image = tf.image.stateless_random_saturation(tf.clip_by_value(image, 0, 1), 0.6, 1.4, seeds[4])
    image = tf.image.stateless_random_hue(image, 0.04, seeds[5])
    return tf.clip_by_value(image, 0, 1) * 255


@AUGMENTATIONS.register("upright")
@moves(moved_upright)
def upright(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Crops to 80% of the area or more and changes light a little, and never flips or turns.

    For images in which left and right or up and down mean something: X-rays, writing, signs, dials.
    """
    seeds = tf.random.split(seed, 3)
    image = moved_upright(image, seed)
    image = tf.image.stateless_random_brightness(image / 255, 0.1, seeds[1])
    image = tf.image.stateless_random_contrast(image, 0.9, 1.1, seeds[2])
    return tf.clip_by_value(image, 0, 1) * 255


@AUGMENTATIONS.register("any_side_up")
@moves(turned)
def any_side_up(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips both ways and, where the image is square, turns by quarters: all of its eight sides.

    For images without an up and a down: from satellites, through microscopes, of parts on a belt.
    """
    return turned(image, seed)


@AUGMENTATIONS.register("auto")
@moves(moved_lightly)
def auto(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Does what `light` does; a recipe decides by itself whether and where it augments."""
    return light(image, seed)


# one random change of Keras' at a random strength: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art
# Data Augmentation" (2021), algorithm 1, https://arxiv.org/abs/2103.10158
AUGMENTATIONS.register("trivial")(OneOfLayers(trivial_layers))
# two random changes of Keras' eleven: Cubuk et al. (2020), https://arxiv.org/abs/1909.13719
AUGMENTATIONS.register("randaugment")(SeededLayer(lambda: keras.layers.RandAugment(num_ops=2, factor=0.3)))
# several chains of changes, mixed: Hendrycks et al. (2020), https://arxiv.org/abs/1912.02781
AUGMENTATIONS.register("augmix")(SeededLayer(lambda: keras.layers.AugMix()))
# noise in a random part: Zhong et al. (2020), https://arxiv.org/abs/1708.04896
AUGMENTATIONS.register("erasing")(SeededLayer(lambda: keras.layers.RandomErasing(factor=0.5)))


def find(augment: Augment, named: Registry[Augmentation] = AUGMENTATIONS) -> Augmentation:
    """Returns what is done to one example: a function of an image, or of what else it is, and a seed int64 `(2,)`.

    Args:
        augment: a part, or a list of parts.
        named: the parts by name.

    Raises:
        InputError: if no augmentation has that name or a part cannot be called.
    """
    parts = [_augmentation(part, named) for part in parts_in(augment) if not _is_mixing(part)]

    def change(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        for place, part in enumerate(parts):
            # the first part has the seed itself, so that a list of one is that one
            image = part(image, tf.random.experimental.stateless_fold_in(seed, place) if place else seed)
        return image

    return change


def check_channels(augment: Augment, shape: tuple[int, int, int]) -> None:
    """Checks that an augmentation takes images of a shape, `(height, width, channels)`, where channels are not three.

    Raises:
        InputError: if it does not.
    """
    try:
        tf.function(find(augment), autograph=False)(tf.zeros(shape), tf.constant([0, 0], tf.int64))
    except Exception as error:  # of TensorFlow, and of Keras' layers
        raise InputError(
            f"Expected an augmentation for images {shape}. Received: augment={augment!r}, which is for 3 channels "
            f"(of a photograph): {str(error).strip().splitlines()[0][:120]}."
        ) from error


def find_mixing(augment: Augment) -> Mixing | None:
    """Returns what is done to a batch: a function of images, labels `(batch, num_classes)` and a seed; or None.

    Raises:
        InputError: if something follows it, or there are two.
    """
    parts = parts_in(augment)
    places = [place for place, part in enumerate(parts) if _is_mixing(part)]
    if places and places != [len(parts) - 1]:
        raise InputError(f"Expected one mixing of a batch at the end of `augment`. Received: augment={augment!r}.")
    if not places:
        return None
    (last,) = parts[-1:]
    return mixing_by(MIXINGS.find(last) if isinstance(last, str) else copy_of(last))


def parts_of(augment: Augment, named: Registry[Augmentation] = AUGMENTATIONS) -> list[Any]:
    """Returns what an augmentation is made of, in order: for each part what was given and, for a name, what it means.

    This is for `identity_of`: with another meaning under its name, an augmentation is another one.
    """
    return [[part, _meaning(part, named)] if isinstance(part, str) else part for part in parts_in(augment)]


def _meaning(name: str, named: Registry[Augmentation]) -> Any:
    found = MIXINGS.find(name) if _is_mixing(name) else named.find(name)
    return found.make if isinstance(found, SeededLayer) else found  # the layer itself is made when it is needed


def parts_in(augment: Augment) -> list[Any]:
    """Returns the parts of an augmentation in order; one that is no list is its only part."""
    return list(augment) if isinstance(augment, (list, tuple)) else [augment]


def _is_mixing(part: Any) -> bool:
    return isinstance(part, _MIXING_LAYERS) or (isinstance(part, str) and part in MIXINGS.names())


def _augmentation(part: Any, named: Registry[Augmentation]) -> Augmentation:
    if isinstance(part, str):
        if part not in named.names():
            mixing = MIXINGS.names() if named is AUGMENTATIONS else []
            raise unknown(named.kind, part, [*named.names(), *mixing])
        found = named.find(part)
        return found.prepare() if isinstance(found, SeededLayer) else found
    if isinstance(part, keras.layers.Layer):
        return SeededLayer(copy_of(part)).prepare()
    if not callable(part):
        one = "an image" if named is AUGMENTATIONS else "a sound"
        raise InputError(
            f"Expected an augmentation's name, a function of {one} or a Keras layer. Received: augment={part!r}."
        )
    return lambda image, seed: part(image)
