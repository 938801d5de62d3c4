"""Specimens: one generated file of each form, to verify an export with when there is no data."""

from __future__ import annotations

import wave
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from keras_transfer.data.kinds import Images, Kind, Sounds, Texts

_ORIENTATION = 0x0112  # the EXIF tag


def specimens(kind: Kind) -> list[bytes]:
    """Returns generated files of a kind of data as bytes: some of each format, that the graph reads in another way."""
    if type(kind) not in _MAKERS:
        raise NotImplementedError(f"Expected specimens of {kind.noun}. Received: a kind that has none.")
    return _MAKERS[type(kind)](kind)


def _texts(kind: Texts) -> list[bytes]:
    """Returns ten texts: short, empty, long, of several scripts and directions, and bytes that are no text."""
    return [
        b"The quick brown fox jumps over the lazy dog.",
        b"",
        b"one two three " * kind.length,
        "Na\u00efve caf\u00e9s, re\u0301sume\u0301s".encode(),
        "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd".encode(),
        "\u65e5\u672c\u8a9e \u4e2d\u6587".encode(),
        "\U0001f44d\U0001f3fd so good \U0001f600".encode(),
        b"a NUL \x00 inside\tand\r\nlines",
        b"no UTF-8: \xff\xfe\xe9",
        b"UPPER case [MASK] <s> </s> ##s",
    ]


def _images(kind: Images) -> list[bytes]:
    """Returns nine generated image files as bytes.

    They are five JPEG files (colour, grey, rotated by EXIF, large, tiny), and a PNG, a GIF, a BMP and a WebP file. The
    large file exceeds the model's image size so far that it is decoded at reduced scale.
    """
    rotated = Image.Exif()
    rotated[_ORIENTATION] = 6
    large = 8 * max(kind.image_size) + 24
    return [
        _encoded(_scene(0, 160, 120), "JPEG", quality=90),
        _encoded(_scene(1, 120, 150).convert("L"), "JPEG", quality=90),
        _encoded(_scene(2, 133, 97), "JPEG", quality=90, exif=rotated),
        _encoded(_scene(3, large, large * 3 // 4), "JPEG", quality=60),
        _encoded(_scene(4, 9, 7), "JPEG", quality=90),
        _encoded(_scene(5, 101, 140).convert("RGBA"), "PNG"),
        _encoded(_scene(6, 90, 60).convert("P"), "GIF"),
        _encoded(_scene(7, 64, 64), "BMP"),
        _encoded(_scene(8, 150, 99), "WEBP", quality=90),
    ]


def _scene(seed: int, width: int, height: int) -> Image.Image:
    """Returns an image of smooth random colours. As in a photograph, neighbouring pixels are similar."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _sounds(kind: Sounds) -> list[bytes]:
    """Returns six generated WAV files.

    They are of 16 bits at the model's own rate, of 8, 24 and 32 bits at others, with two channels, longer and shorter
    than what the model hears, and one is silent.
    """
    rate, seconds = kind.sample_rate, kind.seconds
    return [
        _recorded(_chirp(0, rate, seconds), rate, 2),
        _recorded(_chirp(1, 44_100, 1.7 * seconds), 44_100, 2, channels=2),
        _recorded(_chirp(2, 8_000, 0.6 * seconds), 8_000, 1),
        _recorded(_chirp(3, 48_000, seconds), 48_000, 3),
        _recorded(_chirp(4, rate, 2.3 * seconds), rate, 4),
        _recorded(np.zeros(round(rate * seconds)), rate, 2),
    ]


def _chirp(seed: int, rate: int, seconds: float) -> np.ndarray:
    """Returns tones that rise or fall, and some noise, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    time = np.arange(max(1, round(rate * seconds))) / rate
    starts, ends = rng.uniform(100, 0.4 * rate, (2, 3, 1))
    tones = np.sin(2 * np.pi * (starts * time + (ends - starts) * time**2 / (2 * seconds))).sum(axis=0)
    return 0.2 * tones + 0.02 * rng.normal(size=len(time)).clip(-3, 3)


def _recorded(sound: np.ndarray, rate: int, width: int, channels: int = 1) -> bytes:
    """Returns a WAV file of whole numbers of so many bytes."""
    whole = np.round(sound * (2 ** (8 * width - 1) - 1)).astype(np.int64) + (128 if width == 1 else 0)
    samples = whole.astype("<i8").view(np.uint8).reshape(-1, 1, 8)[..., :width]
    file = BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((channels, width, rate, 0, "NONE", "not compressed"))
        written.writeframes(np.repeat(samples, channels, axis=1).tobytes())
    return file.getvalue()


_MAKERS: dict[type[Kind], Callable[[Any], list[bytes]]] = {Images: _images, Sounds: _sounds, Texts: _texts}
