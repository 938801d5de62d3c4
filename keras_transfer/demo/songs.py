"""Sounds made by formula: the calls of eight birds, for the demo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Call:
    """The call of a bird: syllables that glide from one pitch to another.

    Attributes:
        name: of the bird.
        pitch: in hertz, at the beginning and the end of a syllable.
        other: pitch of every second syllable; None where all are alike.
        syllable, rest: lengths in seconds.
        trill: times a second at which the pitch swings.
        swing: how far, as a share of the pitch.
        overtones: number of tones above the first.
        hiss: share of noise in it, in [0, 1].
    """

    name: str
    pitch: tuple[float, float]
    other: tuple[float, float] | None = None
    syllable: float = 0.2
    rest: float = 0.1
    trill: float = 0.0
    swing: float = 0.0
    overtones: int = 0
    hiss: float = 0.0


CALLS = (
    Call("chiffchaff", (4600, 4300), other=(3800, 3500), syllable=0.12, rest=0.14),
    Call("cuckoo", (690, 670), other=(560, 540), syllable=0.18, rest=0.16, overtones=1),
    Call("gull", (1700, 950), syllable=0.34, rest=0.1, overtones=5, hiss=0.1),
    Call("nightjar", (1800, 1750), syllable=0.7, rest=0.03, trill=38, swing=0.12, overtones=1),
    Call("owl", (410, 370), syllable=0.42, rest=0.2, trill=7, swing=0.03),
    Call("swift", (5200, 6100), syllable=0.5, rest=0.2, trill=24, swing=0.05, hiss=0.25),
    Call("woodpecker", (1300, 900), syllable=0.02, rest=0.04, hiss=0.8, overtones=2),
    Call("wren", (5600, 3900), syllable=0.05, rest=0.02, trill=60, swing=0.04),
)


def sing(call: Call, rng: np.random.Generator, sample_rate: int, seconds: float) -> np.ndarray:
    """Returns a call of one bird, higher or lower, faster or slower, near or far, in wind and among other birds.

    Returns:
        float64 `(samples,)` in [-1, 1].
    """
    samples = round(sample_rate * seconds)
    loud = rng.uniform(0.15, 0.6)
    heard = loud * _song(call, rng, sample_rate, samples)
    far = CALLS[int(rng.integers(len(CALLS)))]  # another bird, far away
    heard += 0.2 * loud * _song(far, rng, sample_rate, samples)
    echo = round(rng.uniform(0.02, 0.06) * sample_rate)
    heard[echo:] += rng.uniform(0, 0.5) * heard[:-echo]
    return np.clip(heard + rng.uniform(0.01, 0.06) * _wind(rng, samples), -1, 1)


def _song(call: Call, rng: np.random.Generator, sample_rate: int, samples: int) -> np.ndarray:
    """Returns syllables of a call from a random place on."""
    height, pace = np.exp(rng.uniform(-0.22, 0.22)), np.exp(rng.uniform(-0.25, 0.25))
    song, at, number = np.zeros(samples), round(rng.uniform(0, 0.25) * samples), int(rng.integers(2))
    while at < samples * 0.95:
        length = round(call.syllable * pace * rng.uniform(0.9, 1.1) * sample_rate)
        pitch = call.other if call.other and number % 2 else call.pitch
        tone = _syllable(call, np.array(pitch) * height * rng.uniform(0.97, 1.03), rng, length, sample_rate)
        song[at : at + length] += tone[: samples - at]
        at += length + max(1, round(call.rest * pace * rng.uniform(0.8, 1.2) * sample_rate))
        number += 1
    return song


def _syllable(call: Call, pitch: np.ndarray, rng: np.random.Generator, samples: int, sample_rate: int) -> np.ndarray:
    time = np.arange(samples) / sample_rate
    share = np.linspace(0, 1, samples)
    heights = pitch[0] + (pitch[1] - pitch[0]) * share
    heights = heights * (1 + call.swing * np.sin(2 * np.pi * call.trill * time + rng.uniform(0, 2 * np.pi)))
    phase = 2 * np.pi * np.cumsum(heights) / sample_rate
    strength = rng.uniform(0.3, 0.7)
    tone = sum(strength**above * np.sin((above + 1) * phase) for above in range(call.overtones + 1))
    tone = (1 - call.hiss) * tone + call.hiss * rng.normal(size=samples)
    return tone * np.sin(np.pi * share) ** 0.5 / (1 + strength * (call.overtones > 0))


def _wind(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Returns noise that is louder the lower it is, of a standard deviation of 1."""
    spectrum = np.fft.rfft(rng.normal(size=samples))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20)), samples)
    return noise / noise.std()
