"""What sound files hold: length, rate, loudness; and which cannot be used, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.progress import track

from keras_transfer.data.faults import NOT_THE_FILE, LeftOut, why_unreadable
from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.formats.naming import file_of
from keras_transfer.data.pipelines.fetching import fetched
from keras_transfer.data.pipelines.options import as_written, mapped
from keras_transfer.data.pipelines.order import in_turn
from keras_transfer.data.sound.files import WAV, read_file, reader
from keras_transfer.data.sound.waveforms import decode

_PROGRESS_FROM = 2000  # fewer files are read in some seconds
_LOUDEST = 0.999  # of full scale: a sample of this size or more was cut off


@dataclass(frozen=True)
class Heard:
    """What one file holds.

    Attributes:
        seconds: its length.
        rate: samples a second.
        level: root mean square of the samples, 0 for silence; a sine of full scale has 0.71.
        clipped: share of the samples that are as large as can be, in [0, 1].
    """

    seconds: float
    rate: int
    level: float
    clipped: float


def listen(paths: Sequence[Path]) -> tuple[dict[Path, Heard], list[LeftOut]]:
    """Decodes files, and returns what each holds; and the files that cannot be used, each with the reason."""
    reasons = {path: why_unreadable(path) for path in paths}
    names = [str(path) for path in paths if reasons[path] is None]
    heard: dict[Path, Heard] = {}
    if names:
        read = reader(names)

        @as_written
        def look(path: tf.Tensor, index: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return index, *_measured(read(path))

        rows = mapped(fetched(in_turn(len(names)), [np.array(names, dtype=object)]), look, in_order=False)
        found = rows.ignore_errors().as_numpy_iterator()
        many = len(names) >= _PROGRESS_FROM
        for index, *seen in track(found, "listening", total=len(names), transient=True) if many else found:
            heard[Path(names[index])] = _heard(seen)
    for path in paths:
        if reasons[path] is None and path not in heard:
            reasons[path] = why_undecodable(path)
    return heard, [LeftOut(path, reason) for path, reason in reasons.items() if reason is not None]


def why_undecodable(path: Path) -> str | None:
    """Says in words why a file cannot be read or decoded; None if it can.

    Raises:
        tf.errors.OpError: for what does not come from the file, such as a lack of memory.
    """
    reason = why_unreadable(path)
    if reason is not None:
        return reason
    try:
        content = read_file(path)
    except FormatError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    suffix = file_of(path).suffix
    if suffix.lower() in WAV and not content.startswith(b"RIFF"):
        return f"is named {suffix} but holds no WAV sound"
    return why_no_sound(content)


def why_no_sound(content: bytes) -> str | None:
    """Says in words why the bytes of a WAV file cannot be decoded; None if they can.

    Raises:
        tf.errors.OpError: for what does not come from the bytes.
    """
    try:
        decode(tf.constant(content))
    except NOT_THE_FILE:
        raise
    except tf.errors.OpError as error:
        said = str(error).partition("assertion failed:")[2].partition("]")[0].strip(" [\n")
        return f"holds {said}" if said else "cannot be decoded"
    return None


def _measured(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    waveform, rate = decode(content)
    size = tf.abs(waveform)
    clipped = tf.reduce_mean(tf.cast(size >= _LOUDEST, tf.float32))
    return tf.size(waveform), rate, tf.sqrt(tf.reduce_mean(tf.square(waveform))), clipped


def _heard(seen: Sequence[np.generic]) -> Heard:
    count, rate, level, clipped = seen
    return Heard(float(count) / float(rate), int(rate), float(level), float(clipped))
