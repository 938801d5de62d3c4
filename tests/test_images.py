"""Decoding and resizing: the same pixels for training and serving, upright and RGB whatever the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from drawing import encode, gradient
from PIL import Image, ImageOps

from keras_transfer import InputError
from keras_transfer.data.pixels.headers import exif_orientation
from keras_transfer.data.pixels.images import decode, load_image, load_pixels
from keras_transfer.data.pixels.resizing import RESIZES

WHOLE = 10**6  # a side no picture reaches


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation, order):
    exif = Image.Exif()
    exif.endian = "<" if order == "little" else ">"
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    stored = encode(gradient(), "JPEG", exif=exif, quality=95)
    assert int(exif_orientation(tf.constant(stored))) == orientation
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(stored))))
    decoded = decode(tf.constant(stored), WHOLE).numpy()
    assert decoded.shape == upright.shape
    assert np.abs(decoded.astype(int) - upright).mean() <= 2, "but for the JPEG decoder's rounding"


@pytest.mark.parametrize(
    "damage", [b"", b"\xff\xd8", b"\xff\xd8Exif\0\0", b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_broken_exif_counts_as_upright(damage):
    assert int(exif_orientation(tf.constant(damage))) == 1


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "L"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "1"), ("PNG", "RGB"), ("BMP", "RGB"),
     ("BMP", "L"), ("GIF", "P"), ("WEBP", "RGB"), ("JPEG", "L"), ("JPEG", "RGB")],
)  # fmt: skip
def test_every_kind_of_file_becomes_rgb(kind, mode):
    picture = gradient().convert(mode)
    options = {"lossless": True} if kind == "WEBP" else {}
    expected = np.asarray(picture.convert("RGB")).astype(int)
    decoded = decode(tf.constant(encode(picture, kind, **options)), WHOLE).numpy()
    assert decoded.dtype == np.uint8 and decoded.shape == expected.shape
    difference = np.abs(decoded - expected)
    assert difference.mean() <= 3 if kind == "JPEG" else difference.max() == 0


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(
    ("kind", "mode", "size"),
    [("JPEG", "RGB", (60, 90)), ("JPEG", "L", (400, 300)), ("PNG", "RGB", (60, 90)), ("PNG", "I;16", (60, 90)),
     ("BMP", "RGB", (60, 90)), ("BMP", "P", (60, 90)), ("GIF", "P", (60, 90)), ("WEBP", "RGB", (60, 90))],
)  # fmt: skip
def test_the_decoders_of_one_format_give_the_pixels_of_all(kind, mode, size, resize):
    """Training has the decoders that its files need, the export has all."""
    pixels = np.random.default_rng(0).integers(0, 2**16 if mode == "I;16" else 256, size)
    picture = Image.fromarray(pixels.astype("uint16" if mode == "I;16" else "uint8"))
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({}, {"exif": exif}) if kind == "JPEG" else ({},):
        content = tf.constant(encode(picture if mode == "I;16" else picture.convert(mode), kind, **options))
        alone = load_pixels(content, (32, 48), resize, formats=frozenset({"WebP" if kind == "WEBP" else kind}))
        assert np.array_equal(alone, load_pixels(content, (32, 48), resize))


@pytest.mark.parametrize(("held", "expected"), [("JPEG", "PNG"), ("PNG", "JPEG"), ("BMP", "PNG"), ("PNG", "GIF")])
def test_bytes_of_another_format_are_an_error(held, expected):
    """A decoder without what they need might give other pixels, not turned upright or without their colours."""
    with pytest.raises(tf.errors.InvalidArgumentError):
        load_pixels(tf.constant(encode(gradient(), held)), (16, 16), "stretch", formats=frozenset({expected}))


def test_sixteen_bits_become_eight():
    deep = Image.fromarray((np.arange(24 * 36).reshape(24, 36) * 70).astype("uint16"))
    decoded = decode(tf.constant(encode(deep, "PNG")), WHOLE).numpy()
    assert np.abs(decoded[..., 0].astype(int) - np.asarray(deep) // 256).max() <= 1


def test_gif_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    animated = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(tf.constant(animated), WHOLE).numpy()[0, 0].tolist() == [255, 0, 0]


def test_crop_keeps_the_centre_and_the_aspect():
    wide = np.zeros((10, 30, 3), "uint8")
    wide[:, 10:20] = 200
    assert np.array_equal(RESIZES.find("crop")(wide, (10, 10)), np.full((10, 10, 3), 200.0))


def test_pad_keeps_everything_and_fills_with_black():
    wide = np.full((10, 30, 3), 200, "uint8")
    padded = RESIZES.find("pad")(wide, (30, 30)).numpy()
    assert (padded[10:20] == 200).all() and (padded[:9] == 0).all() and (padded[21:] == 0).all()


def test_stretch_keeps_everything_and_changes_the_aspect():
    halves = np.concatenate([np.zeros((10, 15, 3), "uint8"), np.full((10, 15, 3), 200, "uint8")], axis=1)
    stretched = RESIZES.find("stretch")(halves, (10, 10)).numpy()
    assert (stretched[:, :4] < 1).all() and (stretched[:, 6:] > 199).all()


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (500, 333)])
def test_any_shape_becomes_the_wanted_size(resize, shape):
    encoded = tf.io.encode_png(np.full((*shape, 3), 77, "uint8"))
    image = load_image(encoded, (20, 30), resize)
    assert image.shape == (20, 30, 3) and image.dtype == tf.float32
    assert float(tf.reduce_max(image)) == pytest.approx(77)


def test_unknown_resize_names_the_known_ones():
    with pytest.raises(InputError, match="Did you mean 'crop'"):
        load_image(tf.io.encode_png(np.zeros((2, 2, 3), "uint8")), (4, 4), "crops")


@pytest.mark.parametrize(
    ("side", "shape"),
    [(WHOLE, (800, 1000)), (101, (800, 1000)), (100, (400, 500)), (50, (200, 250)), (25, (100, 125))],
)
def test_a_large_jpeg_is_decoded_at_the_smallest_scale_that_keeps_four_times_the_side(side, shape):
    assert decode(tf.constant(encode(gradient(800, 1000), "JPEG")), side).shape[:2] == shape
    assert decode(tf.constant(encode(gradient(800, 1000), "PNG")), side).shape[:2] == (800, 1000), "JPEG alone"


def test_a_jpeg_at_reduced_scale_gives_nearly_the_pixels_of_the_whole():
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (30, 40, 3), "uint8")).resize((1200, 900), Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(coarse) + rng.normal(scale=8, size=(900, 1200, 3)), 0, 255).astype("uint8")
    content = tf.constant(encode(Image.fromarray(noisy), "JPEG", quality=90))
    reduced = load_image(content, (50, 50), "crop")
    whole = RESIZES.find("crop")(decode(content, WHOLE), (50, 50))
    assert decode(content, 50).shape[0] == 225 and np.abs(reduced - whole).mean() < 1


def test_what_announces_too_many_pixels_is_not_decoded():
    bomb = tf.constant(encode(Image.new("1", (10_000, 10_000)), "PNG"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels"):
        decode(bomb, 224)
    assert decode(tf.constant(encode(Image.new("1", (6_000, 6_000)), "PNG")), 224).shape == (6000, 6000, 3)
