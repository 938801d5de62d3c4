"""A grid of sounds with titles, drawn as spectrograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer.plots.figure import Figure
from keras_transfer.plots.fonts import families_for
from keras_transfer.plots.images import grid_of

_WINDOW = 0.025  # seconds
_QUIETEST = -80  # decibels below the loudest that are drawn


def plot_sounds(sounds: Sequence[np.ndarray], titles: Sequence[str], sample_rate: int) -> Figure:
    """Draws spectrograms in a square grid, each with a title: seconds to the right, kilohertz upwards.

    Args:
        sounds: waveforms float32 `(samples,)` in [-1, 1].
        titles: one for each sound.
        sample_rate: samples a second.
    """
    families = families_for(titles)
    figure, axes = grid_of(len(sounds))
    size = max(16, round(_WINDOW * sample_rate))
    for place, sound, title in zip(axes, sounds, titles, strict=True):
        power = _spectrogram(sound, size)
        extent = (0.0, len(sound) / sample_rate, 0.0, sample_rate / 2000)
        place.imshow(power, origin="lower", aspect="auto", cmap="magma", vmin=_QUIETEST, vmax=0, extent=extent)
        place.set_title(title if families else ascii(title)[1:-1], fontsize=9, fontfamily=families)
        place.tick_params(labelsize=6)
    return figure


def _spectrogram(sound: np.ndarray, size: int) -> np.ndarray:
    """Returns decibels below the loudest, `(frequencies, frames)`."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, (0, size)), size)[:: size // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)).T ** 2
    return 10 * np.log10(np.maximum(power, 1e-10) / max(float(power.max()), 1e-10))
