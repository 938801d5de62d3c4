"""Waveforms: the bytes of a WAV file as one channel, at one rate and of one length."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer.data.sound.resampling import resampled
from keras_transfer.data.sound.wav import check, decode_wav

RATES = (1_000, 768_000)  # samples a second that a file may say
MAX_BYTES = 512 * 2**20  # of a file that is decoded whole: decoded it takes two to four times as much


def load_waveform(encoded: tf.Tensor, sample_rate: int, samples: int) -> tf.Tensor:
    """Decodes a WAV file to one channel, at one rate and of one length.

    Channels are averaged. Of a longer sound the middle is taken; a shorter one has silence on both sides.

    Args:
        encoded: scalar string, the bytes of a WAV file.
        sample_rate: samples a second to return.
        samples: number of samples to return.

    Returns:
        float32 `(samples,)` in [-1, 1]; resampling may exceed it by a little.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are no such file, or their header does not fit them.
    """
    waveform, rate = decode(encoded)
    length = -(-tf.size(waveform, tf.int64) * sample_rate // rate)
    start = (length - samples) // 2
    found = tf.cond(
        tf.equal(rate, sample_rate),
        lambda: _part(waveform, start, samples),
        lambda: resampled(waveform, rate, sample_rate, start, samples),
    )
    return tf.ensure_shape(found, (samples,))


def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a WAV file as it is: float32 `(samples,)`, the mean of its channels, and its samples a second, int64.

    Raises:
        tf.errors.InvalidArgumentError: as `load_waveform`.
    """
    with tf.control_dependencies(
        [check(tf.strings.length(encoded) <= MAX_BYTES, "more bytes than are decoded at once")]
    ):
        channels, rate = decode_wav(encoded)
    checks = [
        check(tf.shape(channels)[0] > 0, "no samples"),
        check((rate >= RATES[0]) & (rate <= RATES[1]), "an impossible number of samples a second"),
        check(tf.reduce_all(tf.math.is_finite(channels)), "samples that are no numbers"),
    ]
    with tf.control_dependencies(checks):
        return tf.reduce_mean(channels, axis=1), tf.identity(rate)


def fitted(waveform: tf.Tensor, samples: int) -> tf.Tensor:
    """Brings a waveform `(count,)` to a length: the middle of a longer one, silence on both sides of a shorter one."""
    start = (tf.size(waveform, tf.int64) - samples) // 2
    return tf.ensure_shape(_part(waveform, start, samples), (samples,))


def _part(waveform: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
    """Returns `count` samples from `start` on, with silence outside of the waveform."""
    first, last = tf.maximum(start, 0), tf.minimum(start + count, tf.size(waveform, tf.int64))
    return tf.pad(waveform[first:last], [[first - start, start + count - last]])
