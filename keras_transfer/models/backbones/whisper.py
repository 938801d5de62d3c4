"""WhisperMel: how the encoders of Whisper and their like hear, as operations of Keras inside the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import KerasTensor, ops

from keras_transfer._checks import InputError
from keras_transfer._presets import keras_hub
from keras_transfer.models.spectrograms import LogMel

_FFT = 400  # samples
_LEAST, _BELOW, _SCALE = 1e-10, 8.0, 4.0


@dataclass(frozen=True)
class WhisperMel(LogMel):
    """The logarithm of a mel spectrogram as Whisper was trained on, `(batch, frames, bands)`.

    Radford and others, "Robust Speech Recognition via Large-Scale Weak Supervision" (2023), section 2.2,
    https://arxiv.org/abs/2212.04356. Whisper hears 30 seconds; a shorter sound needs less time and uses its first
    positions.

    Attributes:
        sample_rate: 16,000.
        seconds: length of the sounds, 30 at most.
    """

    seconds: float = 30.0
    bands: int = 80

    def __post_init__(self) -> None:
        if self.seconds > 30 or self.samples < _FFT:
            raise InputError(f"Expected sounds of 0.025 to 30 seconds for Whisper. Received: seconds={self.seconds:g}.")

    @property
    def frames(self) -> int:
        """Number of frames of a sound."""
        return self.samples // self._step

    def numbers(self, waveforms: KerasTensor) -> KerasTensor:
        """Returns float32 `(batch, frames, bands)`."""
        filters: Any = keras_hub().layers.WhisperAudioConverter(num_mels=self.bands).mel_filters
        real, imaginary = ops.stft(waveforms, _FFT, self._step, _FFT)
        power = (ops.square(real) + ops.square(imaginary))[:, : self.frames]
        logarithm = ops.log10(ops.maximum(ops.matmul(power, filters), _LEAST))
        loudest = ops.max(logarithm, axis=(1, 2), keepdims=True)
        return (ops.maximum(logarithm, loudest - _BELOW) + _SCALE) / _SCALE
