"""WAV files as TensorFlow operations: `tf.audio.decode_wav` takes 16 bits a sample alone.

The format: "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft 1991), part 3, and
WAVEFORMATEXTENSIBLE (Microsoft 2001). Numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TO_THE_END = 0xFFFFFFFF  # what programs write that do not know the length in advance


def decode_wav(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a WAV file of whole numbers of 8, 16, 24 or 32 bits, or of floats of 32 or 64.

    Args:
        encoded: scalar string, the bytes of the file.

    Returns:
        float32 `(samples, channels)`, in [-1, 1) for whole numbers, and the samples a second, int64.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are no such file, or end before the header says.
    """
    length = tf.cast(tf.strings.length(encoded), tf.int64)
    is_wav = (length >= 12) & tf.strings.regex_full_match(tf.strings.substr(encoded, 0, 12), r"RIFF\C{4}WAVE")
    with tf.control_dependencies([check(is_wav, "no WAV file")]):
        encoded = tf.identity(encoded)
    form, start, size = _chunks(encoded, length)
    with tf.control_dependencies([check(form > 0, "no format chunk"), check(start > 0, "no data chunk")]):
        form = tf.identity(form)
    size = tf.where(size == _TO_THE_END, length - start, size)
    tag, channels, rate, bits = (_number(encoded, form + at, count) for at, count in ((0, 2), (2, 2), (4, 4), (14, 2)))
    extended = (tag == _EXTENSIBLE) & (form + 26 <= length)
    tag = tf.where(extended, _number(encoded, tf.where(extended, form + 24, form), 2), tag)
    block = channels * (bits // 8)
    checks = [
        check(size <= length - start, "fewer bytes than its header says"),
        check((channels > 0) & (block > 0), "no channels"),
    ]
    with tf.control_dependencies(checks):
        content = tf.strings.substr(encoded, start, size // tf.maximum(block, 1) * block)
    return tf.reshape(_samples(content, tag, bits), tf.stack([-1, channels])), rate


def check(holds: tf.Tensor, what: str) -> tf.Operation:
    """Returns an operation that fails, saying what is wrong, where something does not hold."""
    return tf.raw_ops.Assert(condition=holds, data=[what])


def _chunks(encoded: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the place of the format, and place and size of the data; 0 for what is not there."""

    def more(place: tf.Tensor, form: tf.Tensor, start: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        return (place + 8 <= length) & (start == 0)

    def step(place: tf.Tensor, form: tf.Tensor, start: tf.Tensor, size: tf.Tensor) -> list[tf.Tensor]:
        name, held = tf.strings.substr(encoded, place, 4), _number(encoded, place + 4, 4)
        within = place + 8
        whole = (name == b"fmt ") & (held >= 16) & (within + held <= length)
        is_data = name == b"data"
        return [
            within + held + held % 2,
            tf.where(whole, within, form),
            tf.where(is_data, within, start),
            tf.where(is_data, held, size),
        ]

    zero = tf.constant(0, tf.int64)
    _, form, start, size = tf.while_loop(more, step, [tf.constant(12, tf.int64), zero, zero, zero])
    return form, start, size


def _number(encoded: tf.Tensor, place: tf.Tensor, count: int) -> tf.Tensor:
    """Reads a whole number of so many bytes, int64."""
    held = tf.strings.join([tf.strings.substr(encoded, place, count), b"\0" * (8 - count)])
    return tf.io.decode_raw(held, tf.int64)[0]


def _samples(content: tf.Tensor, tag: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Makes numbers of bytes, float32 `(samples * channels,)`."""

    def whole(dtype: tf.DType, zero: float, scale: float) -> Callable[[], tf.Tensor]:
        return lambda: (tf.cast(tf.io.decode_raw(content, dtype), tf.float32) - zero) / scale

    def of_three_bytes() -> tf.Tensor:
        parts = tf.cast(tf.reshape(tf.io.decode_raw(content, tf.uint8), (-1, 3)), tf.int32)
        value = parts[:, 0] + parts[:, 1] * 2**8 + parts[:, 2] * 2**16
        return tf.cast(tf.where(value >= 2**23, value - 2**24, value), tf.float32) / 2**23

    known = {
        (_PCM, 8): whole(tf.uint8, 128, 128),
        (_PCM, 16): whole(tf.int16, 0, 2**15),
        (_PCM, 24): of_three_bytes,
        (_PCM, 32): whole(tf.int32, 0, 2**31),
        (_FLOAT, 32): lambda: tf.io.decode_raw(content, tf.float32),
        (_FLOAT, 64): whole(tf.float64, 0, 1),
    }
    fits = tf.stack([(tag == form) & (bits == width) for form, width in known])
    with tf.control_dependencies([check(tf.reduce_any(fits), "samples that are neither PCM nor floats")]):
        which = tf.argmax(tf.cast(fits, tf.int32), output_type=tf.int32)
    return tf.switch_case(which, list(known.values()))
