"""Files of sounds: which there are, what they hold, and their bytes as WAV, which the graph decodes.

`talk.flac#t=2,3.5` is the part of a file from second 2 to second 3.5; see `formats.naming`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.formats.naming import file_of, named_below, span_of

WAV = (".wav", ".wave")
OTHERS = (".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif")  # soundfile decodes them
NEEDS = "needs soundfile; pip install 'keras-transfer[sound]'"


def is_sound(path: str | os.PathLike[str]) -> bool:
    """Whether a file is named like a sound."""
    return file_of(path).suffix.lower() in (*WAV, *OTHERS)


def find_sounds(folder: Path) -> list[Path]:
    """Returns what is named like a sound below a folder, hidden names aside, in the order of the names."""
    return named_below(folder, is_sound)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Returns a file, or the part of it that a path names, as the bytes of a WAV file.

    Raises:
        OSError: if it cannot be read.
        FormatError: if it cannot be decoded.
    """
    file, span = file_of(path), span_of(path)
    if file.suffix.lower() in WAV and span is None:
        return file.read_bytes()
    return _as_wav(file, span)


def as_wav(content: bytes) -> bytes:
    """Returns the bytes of a sound file in any format as those of a WAV file; those of a WAV file as they are.

    Raises:
        FormatError: if they cannot be decoded.
    """
    return content if content[:4] == b"RIFF" else _as_wav(BytesIO(content), None)


def reader(paths: Iterable[Any]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function of TensorFlow that reads one of these files: from a scalar string to the bytes of a WAV file.

    Where all are whole WAV files, it is `tf.io.read_file`.
    """
    named = [os.fsdecode(path) for path in paths]
    if all(file_of(path).suffix.lower() in WAV and span_of(path) is None for path in named):
        return tf.io.read_file

    def read(path: bytes | np.ndarray) -> np.ndarray:
        name = os.fsdecode(path if isinstance(path, bytes) else path.item())  # outside of a graph it is an array
        return np.array(read_file(name), dtype=object)  # as bytes it would lose the zeros at its end

    return lambda path: tf.ensure_shape(tf.numpy_function(read, [path], tf.string), ())


def _as_wav(file: Path | BytesIO, span: tuple[float, float] | None) -> bytes:
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(file) as opened:
            rate = opened.samplerate
            start, stop = (0, None) if span is None else (round(span[0] * rate), round(span[1] * rate))
            opened.seek(min(start, opened.frames))
            values = opened.read(-1 if stop is None else stop - start, dtype="float32", always_2d=True)
    except (RuntimeError, ValueError) as error:  # soundfile.LibsndfileError is a RuntimeError
        if isinstance(file, Path) and not file.is_file():
            raise FileNotFoundError(2, "No such file", str(file)) from error
        raise FormatError(f"cannot be decoded ({str(error).rpartition(': ')[2].strip()})") from error
    written = BytesIO()
    soundfile.write(written, values, rate, format="WAV", subtype="FLOAT")
    return written.getvalue()


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # the library, or the one in C that it loads
        raise FormatError(NEEDS) from error
    return soundfile
