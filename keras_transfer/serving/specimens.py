"""Specimens: one generated image file of each format, to verify an export with when there is no data."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

_ORIENTATION = 0x0112  # the EXIF tag


def specimens(image_size: tuple[int, int]) -> list[bytes]:
    """Returns nine generated image files as bytes.

    They are five JPEG files (colour, grey, rotated by EXIF, large, tiny), and a PNG, a GIF, a BMP and a WebP file.

    Args:
        image_size: (height, width) of the model in pixels. The large file exceeds it so far that it is decoded at
            reduced scale.
    """
    rotated = Image.Exif()
    rotated[_ORIENTATION] = 6
    large = 8 * max(image_size) + 24
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
