"""The head of a file says its size, in every format, without decoding."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from drawing import encode, gradient
from PIL import Image

from keras_transfer.data.pixels.headers import announced_size


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("WEBP", {}),
     ("WEBP", {"lossless": True})],
)  # fmt: skip
def test_size_is_that_of_the_picture(kind, options):
    assert announced_size(tf.constant(encode(gradient(240, 356), kind, **options))).numpy().tolist() == [240, 356]


def test_size_of_webp_with_transparency():
    picture = gradient(240, 356).convert("RGBA")
    picture.putalpha(Image.fromarray(np.arange(240 * 356, dtype="uint8").reshape(240, 356)))
    content = encode(picture, "WEBP")
    assert content[12:16] == b"VP8X"
    assert announced_size(tf.constant(content)).numpy().tolist() == [240, 356]


def test_size_of_a_bmp_that_begins_at_the_top():
    content = bytearray(encode(gradient(24, 36), "BMP"))
    content[22:26] = (-24).to_bytes(4, "little", signed=True)
    assert announced_size(tf.constant(bytes(content))).numpy().tolist() == [24, 36]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG", b"RIFF", bytes(100)])
def test_what_is_no_image_has_no_size(content):
    assert announced_size(tf.constant(content)).numpy().prod() == 0


def test_the_largest_numbers_do_not_overflow():
    content = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff" * 8
    assert int(tf.reduce_prod(announced_size(tf.constant(content)))) == (2**31 - 1) ** 2
