"""Sounds: recordings as waveforms of one rate and length."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data.kinds.kind import Kind
from keras_transfer.data.sound.files import as_wav, read_file, reader
from keras_transfer.data.sound.waveforms import fitted, load_waveform


@dataclass(frozen=True)
class Sounds(Kind):
    """Sounds of one rate and length, with one channel.

    Attributes:
        sample_rate: samples a second.
        seconds: length of each. The middle of a longer sound is taken; a shorter one has silence on both sides.
    """

    sample_rate: int
    seconds: float

    name = "sound"
    noun = "sounds"
    one = "a sound"
    tensor = "waveforms"
    content = "audio_bytes"
    decoder = "decode_audio"
    files = "sounds"
    maker = "microphone"
    range_said = " in [-1, 1]"
    other_formats = (
        "The graph decodes WAV: whole numbers of 8, 16, 24 or 32 bits, or floats, of any rate, of one channel or "
        "several, whose mean is taken. Send FLAC, OGG, MP3 and others as WAV, such as soundfile writes."
    )

    @property
    def samples(self) -> int:
        """Number of samples of each."""
        return round(self.sample_rate * self.seconds)

    @property
    def spec(self) -> tf.TensorSpec:
        """float32 `(samples,)` in [-1, 1]."""
        return tf.TensorSpec((self.samples,), tf.float32)

    def reader(self, paths: Iterable[Any]) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns a function that reads and decodes one of these files."""
        read = reader(paths)
        return lambda path: self.decode(read(path))

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Decodes the bytes of a WAV file, averages its channels, and brings it to the rate and the length."""
        return load_waveform(raw, self.sample_rate, self.samples)

    def fit(self, example: tf.Tensor) -> tf.Tensor:
        """Brings a waveform `(count,)` that has the rate already to the length."""
        return fitted(tf.cast(example, tf.float32), self.samples)

    def content_of(self, example: str | os.PathLike[str] | bytes) -> bytes:
        """Returns the bytes of a sound file; of formats other than WAV as those of a WAV file."""
        return as_wav(example) if isinstance(example, bytes) else read_file(Path(example).expanduser())

    @property
    def formats(self) -> str:
        """The formats that `decode` takes, in words."""
        return "WAV sounds"

    def described(self) -> dict[str, Any]:
        """Returns rate and length."""
        return {"sample_rate": self.sample_rate, "seconds": self.seconds}

    @property
    def form(self) -> str:
        """Length and rate in words."""
        return f"{self.seconds:g} seconds at {self.sample_rate:,} samples a second"

    @property
    def limits(self) -> list[str]:
        """Sentences on what cannot be heard in this form."""
        return [
            f"It hears {self.seconds:g} seconds: of a longer sound the middle.",
            f"It hears nothing above {self.sample_rate / 2:,.0f} hertz.",
        ]

    def check_model(self, model: keras.Model) -> None:
        """Checks that a model takes waveforms of this length and rate."""
        shape = model.input_shape
        if not isinstance(shape, tuple) or len(shape) != 2:
            raise InputError(
                f"Expected a model of sounds. Received: one whose input has the shape {shape}. Build it with "
                "sound=data."
            )
        if shape[1] != self.samples:
            raise InputError(
                f"Expected sounds of the model's {shape[1]} samples. Received: data with {self.samples}, which are "
                f"{self.seconds:g} seconds at {self.sample_rate:,} a second. Give both the same form: build the model "
                "with sound=data."
            )
        known = [layer for layer in model.layers if isinstance(layer, keras.layers.MelSpectrogram)]
        if known and known[0].sampling_rate != self.sample_rate:
            raise InputError(
                f"Expected sounds with the model's {known[0].sampling_rate:,} samples a second. "
                f"Received: data with {self.sample_rate:,}."
            )

    def settings(self) -> dict[str, Any]:
        """Returns rate and length."""
        return {"sample_rate": self.sample_rate, "seconds": self.seconds}
