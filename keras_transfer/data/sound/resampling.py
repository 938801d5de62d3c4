"""Resampling: a waveform at another number of samples a second, in the graph, so that an export does it too.

Band-limited interpolation with a windowed sinc (Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample,
equations 3 to 5). Well-kept libraries do it too, but in Python alone: a served model could not call them.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_CROSSINGS = 32  # zero crossings of the sinc on each side
_ROLLOFF = 0.95  # share of the band that passes; the window needs the rest to fall off


def resampled(waveform: tf.Tensor, rate: tf.Tensor, wanted: int, start: tf.Tensor, count: int) -> tf.Tensor:
    """Returns a part of a waveform at another rate; outside of the waveform there is silence.

    Args:
        waveform: float32 `(samples,)` at `rate`.
        rate: samples a second that it has, scalar int64 above 0.
        wanted: samples a second to return.
        start: first sample to return, counted at the wanted rate; int64.
        count: samples to return.

    Returns:
        float32 `(count,)`.
    """
    places = (start + tf.range(count, dtype=tf.int64)) * rate  # in parts of a sample of the waveform
    before, rest = places // wanted, tf.cast(places % wanted, tf.float32) / wanted
    # what is above half of the lower rate cannot be told at that rate, and is filtered out
    band = _ROLLOFF * tf.minimum(1.0, tf.cast(wanted / rate, tf.float32))
    reach = tf.cast(tf.math.ceil(_CROSSINGS / band), tf.int64)
    steps = tf.range(1 - reach, reach + 1)
    away = (tf.cast(steps, tf.float32) - rest[:, tf.newaxis]) * band
    inside = tf.abs(away) < _CROSSINGS
    window = tf.where(inside, tf.square(tf.cos(away * (np.pi / 2 / _CROSSINGS))), 0.0)
    kernel = band * window * tf.where(tf.abs(away) < 1e-7, 1.0, tf.sin(np.pi * away) / (np.pi * away))
    held = tf.pad(waveform, [[reach, reach]])
    taken = tf.clip_by_value(before[:, tf.newaxis] + steps + reach, 0, tf.size(held, tf.int64) - 1)
    return tf.reduce_sum(tf.gather(held, taken) * kernel, axis=1)
