"""Augmentations of sounds: random changes to a waveform float32 `(samples,)` that leave its class as it is.

As those of images, each draws its random numbers from its seed alone.
"""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._registry import Registry
from keras_transfer.data.augment.seeded_layers import Augmentation

SOUND_AUGMENTATIONS: Registry[Augmentation] = Registry("sound augmentation")

_SHIFT = 0.1  # of the length, to either side
_NOISE = (10.0, 40.0)  # decibels of the sound above the noise
_FRAME, _STEP = 512, 128  # samples
_SPEED = (0.85, 1.15)
_MASKS, _WIDEST = 2, 0.15  # of each kind; share of the spectrum, and of the length


@SOUND_AUGMENTATIONS.register("none")
def none(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Leaves the sound as it is."""
    return waveform


@SOUND_AUGMENTATIONS.register("shift")
def shift(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts the sound by up to a tenth of its length; silence comes in at the side."""
    count = tf.size(waveform)
    most = tf.cast(tf.cast(count, tf.float32) * _SHIFT, tf.int32)
    by = tf.random.stateless_uniform((), seed, -most, most + 1, tf.int32)
    padded = tf.pad(waveform, [[most, most]])
    return tf.ensure_shape(tf.slice(padded, [most - by], [count]), waveform.shape)


@SOUND_AUGMENTATIONS.register("speed")
def speed(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Plays the sound up to 15 % faster or slower about its middle: another pitch, another pace, as of another voice.

    Ko, Peddinti, Povey, Khudanpur, "Audio Augmentation for Speech Recognition" (2015), section 2.3,
    https://www.isca-archive.org/interspeech_2015/ko15_interspeech.html. Departures: any factor in place of three, and
    samples in between are interpolated along a line. Where tones tell the class, leave it out.
    """
    count = tf.size(waveform)
    middle = tf.cast(count - 1, tf.float32) / 2
    factor = tf.random.stateless_uniform((), seed, *_SPEED)
    places = (tf.cast(tf.range(count), tf.float32) - middle) * factor + middle
    before = tf.floor(places)
    share = places - before
    padded = tf.pad(waveform, [[1, 2]])  # silence on both sides
    index = tf.clip_by_value(tf.cast(before, tf.int32) + 1, 0, count + 1)
    return tf.ensure_shape(
        (1 - share) * tf.gather(padded, index) + share * tf.gather(padded, index + 1), waveform.shape
    )


@SOUND_AUGMENTATIONS.register("noise")
def noise(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Adds white noise, 10 to 40 decibels below the sound."""
    seeds = tf.random.split(seed, 2)
    below = tf.random.stateless_uniform((), seeds[0], *_NOISE)
    level = tf.sqrt(tf.reduce_mean(tf.square(waveform))) * 10 ** (-below / 20)
    return waveform + level * tf.random.stateless_normal(tf.shape(waveform), seeds[1])


@SOUND_AUGMENTATIONS.register("spec_augment")
def spec_augment(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Silences two bands of the spectrum and two spans of time, each of up to 15 %.

    Park and others, "SpecAugment" (2019), section 2, https://arxiv.org/abs/1904.08779. Departures from the paper: the
    masks lie on the spectrum of the waveform, which is made a waveform again, so that the model has no part of it and
    its frozen layers see the masked sound too; bands are of equal width in hertz; time is not warped.
    """
    count = tf.size(waveform)
    spectrum = tf.signal.stft(waveform, _FRAME, _STEP, pad_end=True)
    seeds = tf.random.split(seed, 2)
    keep = _mask(tf.shape(spectrum)[0], seeds[0])[:, tf.newaxis] * _mask(tf.shape(spectrum)[1], seeds[1])
    window = tf.signal.inverse_stft_window_fn(_STEP)
    masked = tf.signal.inverse_stft(spectrum * tf.cast(keep, tf.complex64), _FRAME, _STEP, window_fn=window)
    return tf.ensure_shape(masked[:count], waveform.shape)


@SOUND_AUGMENTATIONS.register("light")
def light(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts the sound and adds noise."""
    seeds = tf.random.split(seed, 2)
    return noise(shift(waveform, seeds[0]), seeds[1])


@SOUND_AUGMENTATIONS.register("strong")
def strong(waveform: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Does what `speed`, then `light`, then `spec_augment` do."""
    seeds = tf.random.split(seed, 3)
    return spec_augment(light(speed(waveform, seeds[0]), seeds[1]), seeds[2])


def _mask(size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns float32 `(size,)`: 0 in some spans, 1 elsewhere."""
    seeds = tf.random.split(seed, 2)
    widths = tf.random.stateless_uniform((_MASKS,), seeds[0], 0, _WIDEST) * tf.cast(size, tf.float32)
    starts = tf.random.stateless_uniform((_MASKS,), seeds[1]) * (tf.cast(size, tf.float32) - widths)
    places = tf.cast(tf.range(size), tf.float32)[:, tf.newaxis]
    return 1 - tf.cast(tf.reduce_any((places >= starts) & (places < starts + widths), axis=1), tf.float32)
