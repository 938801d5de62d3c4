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


def write_masks(folder: Path, count: int = 12, height: int = 36, width: int = 48, seed: int = 0) -> Path:
    """Writes pictures of red discs and blue boxes on grey, and masks: 0 ground, 1 disc, 2 box, 255 at the rim."""
    rng = np.random.default_rng(seed)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:height, :width]
    for index in range(count):
        pixels, mask = rng.uniform(90, 160, (height, width, 3)), np.zeros((height, width), np.uint8)
        top, left = rng.integers(2, height - 14), rng.integers(2, width - 14)
        box = (rows >= top) & (rows < top + 12) & (columns >= left) & (columns < left + 10)
        disc = (rows - rng.integers(8, height - 8)) ** 2 + (columns - rng.integers(8, width - 8)) ** 2 < 36
        for number, shape, colour in ((2, box, (30, 60, 220)), (1, disc, (220, 40, 30))):
            pixels[shape] = colour + rng.normal(0, 8, 3)
            mask[shape] = number
        mask[0], mask[:, 0] = 255, 255
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{index:03}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index:03}.png")
    return folder
