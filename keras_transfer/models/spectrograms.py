"""LogMel: from waveforms to what a network takes, as layers of the model, so that training and serving agree.

A pretrained network of images gets a picture of the sound; one of sounds gets the numbers that it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from keras import KerasTensor, layers, ops

from keras_transfer._arguments import Kind, Number, Whole, takes
from keras_transfer._checks import InputError

_RANGE = 50.0  # decibels between black and white
_MOST_LOUDER = 1000.0  # how many times louder a sound is made at most
_QUIET = -20.0  # decibels of the loudest place, below which a sound is shown darker: silence is black


Preprocess = Callable[[KerasTensor], KerasTensor]


class Heard(Protocol):
    """What has a rate and a length, such as `SoundData`."""

    @property
    def sample_rate(self) -> int:
        """Samples a second."""

    @property
    def seconds(self) -> float:
        """Length of the sounds."""


HEARD = Kind(
    lambda value: all(hasattr(value, name) for name in ("sample_rate", "seconds")), "data of sounds, with their rate"
)


@takes(
    sample_rate=Whole(1),
    seconds=Number(0, above=True),
    window=Number(0, above=True),
    hop=Number(0, above=True),
    bands=Whole(1),
    lowest=Number(0),
    highest=Number(0, above=True) | None,
    offset=Number(0, above=True),
    patch=Number(0, above=True) | None,
    patch_hop=Number(0, above=True) | None,
    peak=Number(0, above=True) | None,
)
@dataclass(frozen=True)
class LogMel:
    """The logarithm of a mel spectrogram of sounds of one rate and length.

    Bands are triangles on the mel scale of HTK, as in `keras.layers.MelSpectrogram`, which computes them. Unlike its
    `power_to_db`, whose `top_db` is counted from the loudest sound of the batch, nothing here depends on the other
    sounds of a batch. Frames lie within the sound.

    Attributes:
        sample_rate: samples a second.
        seconds: length of the sounds.
        window: length of a frame in seconds (of Hann's window).
        hop: seconds from one frame to the next.
        bands: number of mel bands.
        lowest, highest: frequencies in hertz between which they lie; by default up to half of the sample rate, but at
            most 7,500.
        offset: what is added to the magnitude before its logarithm is taken, for a network of sounds.
        patch: seconds that such a network takes at once; by default the whole sound. Its answers for all patches are
            pooled together.
        patch_hop: seconds from one patch to the next; by default half of `patch`.
        peak: the largest absolute sample to which every sound is scaled, for a network of sounds: so quiet recordings
            give what loud ones give. By default sounds stay as loud as they are. Near silence is scaled by 1,000 at
            most.

    Example:
        >>> yamnet = LogMel(sample_rate=16_000, seconds=2.0, patch=0.96)
        >>> yamnet.frames, yamnet.patches
        (198, 3)
    """

    sample_rate: int = 16_000
    seconds: float = 1.0
    window: float = 0.025
    hop: float = 0.010
    bands: int = 64
    lowest: float = 125.0
    highest: float | None = None
    offset: float = 0.001
    patch: float | None = None
    patch_hop: float | None = None
    peak: float | None = None

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise InputError(
                f"Expected sounds of {self.window:g} seconds or more, the length of a frame. "
                f"Received: seconds={self.seconds:g}."
            )
        if self.top <= self.lowest or self.top > self.sample_rate / 2:
            raise InputError(
                f"Expected bands between lowest={self.lowest:g} hertz and half of the sample rate, "
                f"{self.sample_rate / 2:g}. Received: highest={self.top:g}."
            )
        if self.patches < 1:
            raise InputError(
                f"Expected sounds of one patch of {self.patch:g} seconds or more, and {self.window:g} seconds for its "
                f"last frame. Received: seconds={self.seconds:g}."
            )

    @property
    def samples(self) -> int:
        """Number of samples of a sound."""
        return round(self.sample_rate * self.seconds)

    @property
    def top(self) -> float:
        """The highest frequency in hertz."""
        return min(7500.0, self.sample_rate / 2) if self.highest is None else self.highest

    @property
    def frames(self) -> int:
        """Number of frames of a sound."""
        return (self.samples - self._length) // self._step + 1 if self.samples >= self._length else 0

    @property
    def patch_frames(self) -> int:
        """Number of frames of a patch."""
        return self.frames if self.patch is None else round(self.patch / self.hop)

    @property
    def patches(self) -> int:
        """Number of patches of a sound."""
        return max(0, (self.frames - self.patch_frames) // self._patch_step + 1)

    def before(
        self, preprocess: Preprocess | None, image_size: tuple[int, int], *, of_sounds: bool
    ) -> Callable[[KerasTensor], KerasTensor]:
        """Returns what makes of waveforms what a network takes.

        Args:
            preprocess: the network's own preprocessing.
            image_size: (height, width) of a picture.
            of_sounds: whether it is a network of sounds, not of images.
        """

        def heard(waveforms: KerasTensor) -> KerasTensor:
            values = self.numbers(waveforms) if of_sounds else self.picture(waveforms, image_size)
            return values if preprocess is None else preprocess(values)

        return heard

    def picture(self, waveforms: KerasTensor, image_size: tuple[int, int]) -> KerasTensor:
        """Draws sounds as pictures of what is to be heard, high tones above.

        Black is 50 decibels below the loudest place of the same sound, and white is that place: so loudness does not
        matter, but that sounds which are nearly silent become dark.

        Returns:
            float32 `(batch, height, width, 3)` in [0, 255].
        """
        power = self._spectrogram(waveforms, exponent=2.0)
        decibels = 10.0 * ops.log10(ops.maximum(power, 1e-10))
        loudest = ops.maximum(ops.max(decibels, axis=(1, 2), keepdims=True), _QUIET)
        shown = ops.clip((decibels - loudest) / _RANGE + 1.0, 0.0, 1.0) * 255.0
        upright = ops.expand_dims(ops.flip(shown, axis=1), -1)
        resized = layers.Resizing(*image_size, interpolation="bilinear", data_format="channels_last")(upright)
        return ops.concatenate([resized, resized, resized], axis=-1)

    def numbers(self, waveforms: KerasTensor) -> KerasTensor:
        """Returns `log(magnitude + offset)` in patches: float32 `(batch * patches, frames, bands, 1)`."""
        if self.peak is not None:
            loudest = ops.max(ops.abs(waveforms), axis=1, keepdims=True)
            waveforms = waveforms * self.peak / ops.maximum(loudest, self.peak / _MOST_LOUDER)
        magnitude = ops.swapaxes(self._spectrogram(waveforms, exponent=1.0), 1, 2)
        values = ops.log(magnitude + self.offset)
        if self.patches == 1:
            return ops.expand_dims(values[:, : self.patch_frames], -1)
        starts = [place * self._patch_step for place in range(self.patches)]
        parts = ops.stack([values[:, start : start + self.patch_frames] for start in starts], axis=1)
        return ops.reshape(parts, (-1, self.patch_frames, self.bands, 1))

    def together(self, output: KerasTensor) -> KerasTensor:
        """Puts together what a network makes of the patches of a sound: maps below each other, vectors as maps.

        Returns:
            `(batch, patches * height, width, channels)`; of a network with vectors `(batch, patches, 1, channels)`.
        """
        if self.patches == 1:
            return output
        if len(output.shape) == 2:
            return ops.reshape(output, (-1, self.patches, 1, output.shape[-1]))
        _, height, width, channels = output.shape
        return ops.reshape(output, (-1, self.patches * height, width, channels))

    def apart(self, output: KerasTensor, like: KerasTensor) -> KerasTensor:
        """Undoes `together`, to go on with patches of the form of `like`."""
        return output if self.patches == 1 else ops.reshape(output, (-1, *like.shape[1:]))

    @property
    def _length(self) -> int:
        return max(1, round(self.window * self.sample_rate))

    @property
    def _step(self) -> int:
        return max(1, round(self.hop * self.sample_rate))

    @property
    def _patch_step(self) -> int:
        hop = self.patch_hop or (self.patch / 2 if self.patch is not None else self.seconds)
        return max(1, round(hop / self.hop))

    def _spectrogram(self, waveforms: KerasTensor, exponent: float) -> Any:
        """Returns float32 `(batch, bands, frames)`, of frames that begin at the first sample."""
        size = 2 ** (self._length - 1).bit_length()
        # Keras centres a frame of `size` samples at each step, with the window in its middle
        before = size // 2 - (size - self._length) // 2
        skipped = -(-before // self._step)
        padded = ops.pad(waveforms, ((0, 0), (skipped * self._step - before, size)))
        mel = layers.MelSpectrogram(
            fft_length=size,
            sequence_stride=self._step,
            sequence_length=self._length,
            sampling_rate=self.sample_rate,
            num_mel_bins=self.bands,
            min_freq=self.lowest,
            max_freq=self.top,
            power_to_db=False,
            mag_exp=exponent,
            name="log_mel",
            dtype="float32",
        )(padded)
        return mel[:, :, skipped : skipped + self.frames]


def log_mel(sound: LogMel | Heard | None, own: LogMel | None) -> LogMel | None:
    """Returns how a network hears.

    Args:
        sound: what was asked for.
        own: how a network of sounds was trained to hear; None for one of images.

    Raises:
        InputError: if a network was trained to hear in another way.
    """
    if sound is None:
        return own
    if own is None:
        return sound if isinstance(sound, LogMel) else LogMel(sound.sample_rate, sound.seconds)
    heard = replace(own, seconds=sound.seconds)
    asked = sound if isinstance(sound, LogMel) else replace(heard, sample_rate=sound.sample_rate)
    if asked != heard:
        raise InputError(
            f"Expected sounds as the network was trained to hear them, {heard}. Received: {asked}. Read the data with "
            f"sample_rate={own.sample_rate}."
        )
    return heard
