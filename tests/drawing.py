"""Pictures for the tests, drawn by numbers: colours to learn, scenes to recognise, and files of every kind."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (60, 180, 40), "red": (210, 50, 40)}


def write_pictures(folder: Path, per_class: int = 8, image_size: int = 40, classes=tuple(COLOURS)) -> Path:
    """Writes noisy pictures of one colour a class: easy to learn, quick to read."""
    rng = np.random.default_rng(len(folder.name))
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            noise = rng.normal(scale=25, size=(image_size, image_size + 8, 3))
            picture = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype("uint8")
            (folder / name / f"{index}.jpg").write_bytes(tf.io.encode_jpeg(picture, quality=95).numpy())
    return folder


def scene(seed: int, side: int = 160) -> Image.Image:
    """Draws soft blobs of colour, another picture for each seed, a third wider than high."""
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), "uint8")
    return Image.fromarray(coarse).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)


def gradient(height: int = 24, width: int = 36) -> Image.Image:
    """Draws a picture that looks different from every side."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 7, y * 10, np.full_like(x, 90)], axis=-1).astype("uint8"))


def encode(picture: Image.Image, kind: str, **options) -> bytes:
    """Returns the bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
