"""Recordings for tests, made by formula: tones, chirps and noise."""

from __future__ import annotations

import wave
from io import BytesIO
from pathlib import Path

import numpy as np

KINDS = ("chirp", "noise", "tone")


def sound(kind: str, seed: int, rate: int, seconds: float) -> np.ndarray:
    """Returns float64 `(samples,)` in [-1, 1]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    start = rng.uniform(200, 0.1 * rate)
    heard = {
        "tone": np.sin(2 * np.pi * start * time),
        "chirp": np.sin(2 * np.pi * (start * time + 0.1 * rate / seconds * time**2)),
        "noise": rng.uniform(-1, 1, len(time)),
    }
    return 0.5 * heard[kind]


def wav(samples: np.ndarray, rate: int, width: int = 2) -> bytes:
    """Returns a WAV file of whole numbers of so many bytes, of samples `(count,)` or `(count, channels)` in [-1, 1]."""
    samples = samples[:, np.newaxis] if samples.ndim == 1 else samples
    whole = np.round(samples * (2 ** (8 * width - 1) - 1)).astype(np.int64) + (128 if width == 1 else 0)
    file = BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((samples.shape[1], width, rate, 0, "NONE", ""))
        written.writeframes(
            np.ascontiguousarray(whole.astype("<i8")).view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
        )
    return file.getvalue()


def write_sounds(folder: Path, per_class: int = 6, rate: int = 8000, seconds: float = 0.5) -> Path:
    """Writes class folders of tones, chirps and noise."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            (folder / kind / f"{number}.wav").write_bytes(wav(sound(kind, number, rate, seconds), rate))
    return folder


def write_spoken(folder: Path) -> Path:
    """Writes recordings of tones, chirps and noise by three speakers, named as spoken digits are."""
    for number, kind in enumerate(KINDS):
        (folder / str(number)).mkdir(parents=True)
        for speaker in ("ada", "bob", "eve"):
            for take in range(3):
                heard = sound(kind, 3 * take + number, 8000, 0.5)
                (folder / str(number) / f"{number}_{speaker}_{take}.wav").write_bytes(wav(heard, 8000))
    return folder
