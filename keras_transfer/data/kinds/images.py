"""Images: files of photographs as pixels of one size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data.formats.naming import NATIVE
from keras_transfer.data.formats.translating import as_bmp, formats_read, read_file, reader
from keras_transfer.data.kinds.kind import Kind
from keras_transfer.data.pixels.images import MARGIN, load_pixels
from keras_transfer.data.pixels.own_size import mask_files
from keras_transfer.data.pixels.resizing import RESIZES


@dataclass(frozen=True)
class Images(Kind):
    """Images of one size.

    Attributes:
        image_size: (height, width) in pixels.
        resize: "crop", "pad" or "stretch": how pictures are brought to that size.
        pixel_range: the values that become black and white where a file has more than 8 bits a channel.
        channels: 3 for RGB; those of a file are RGB, or grey for 1.
    """

    image_size: tuple[int, int]
    resize: str = "crop"
    pixel_range: tuple[float, float] | None = None
    channels: int = 3

    name = "image"
    noun = "images"
    one = "an image"
    tensor = "images"
    content = "image_bytes"
    decoder = "decode_images"
    files = "pictures"
    maker = "camera"
    range_said = " in [0, 255]"
    other_formats = (
        "The graph decodes JPEG, PNG, GIF, BMP and WebP. Send TIFF, DICOM and others as PNG: "
        "keras_transfer.data.as_png(path, pixel_range), or 8 bits clip((value - black) * 255 / (white - black), 0, "
        "255) with pixel_range = [black, white], after DICOM's rescale slope and intercept."
    )

    @property
    def spec(self) -> tf.TensorSpec:
        """uint8 `(height, width, channels)` in [0, 255]."""
        return tf.TensorSpec((*self.image_size, self.channels), tf.uint8)

    def reader(self, paths: Iterable[Any]) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns a function that reads and decodes one of these files, which are what they are named.

        It has the decoders for their formats alone: the fewer, the sooner a pass begins.
        """
        read, formats = reader(paths, self.pixel_range), formats_read(paths)
        return lambda path: self._decode(read(path), formats)

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Decodes the bytes of a JPEG, PNG, GIF (first frame), BMP or WebP file, turns it upright and resizes it."""
        return self._decode(raw, NATIVE)

    def _decode(self, raw: tf.Tensor, formats: frozenset[str]) -> tf.Tensor:
        pixels = load_pixels(raw, self.image_size, self.resize, self.pixel_range, formats)
        return tf.image.rgb_to_grayscale(pixels) if self.channels == 1 else pixels

    def fit(self, example: tf.Tensor) -> tf.Tensor:
        """Resizes an image `(height, width, channels)` in [0, 255]; its dtype stays unless it is interpolated."""
        return tf.ensure_shape(RESIZES.find(self.resize)(example, self.image_size), (*self.image_size, self.channels))

    def by_part(self, outputs: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns with answers for every pixel `mask_bytes`: PNG files of the pictures' own size, strings."""
        if outputs.shape.rank != 4:
            return outputs, {}
        return outputs, {"mask_bytes": mask_files(outputs, raw, self.image_size, self.resize)}

    def content_of(self, example: str | os.PathLike[str] | bytes) -> bytes:
        """Returns the bytes of a picture file; of formats that TensorFlow cannot decode as those of a BMP file."""
        if isinstance(example, bytes):
            return as_bmp(example, pixel_range=self.pixel_range)
        return read_file(Path(example).expanduser(), self.pixel_range)

    @property
    def formats(self) -> str:
        """The formats that `decode` takes, in words."""
        return "JPEG, PNG, GIF, BMP or WebP images"

    def described(self) -> dict[str, Any]:
        """Returns size, way to resize, channels and range of the pixels."""
        return {
            "image_size": list(self.image_size),
            "resize": self.resize,
            "channels": self.channels,
            "pixel_range": self.pixel_range and list(self.pixel_range),
        }

    @property
    def form(self) -> str:
        """Size, and the way to resize, in words."""
        height, width = self.image_size
        return f"{width} x {height} pixels, resize {self.resize}"

    @property
    def limits(self) -> list[str]:
        """Sentences on what cannot be seen in this form."""
        height, width = self.image_size
        said = [f"It resizes pictures to {width} x {height} pixels: details smaller than one of these pixels are lost."]
        if self.resize == "crop" and height == width:
            said.append("What lies outside the middle square of a picture is cut off.")
        return said

    def check_model(self, model: keras.Model) -> None:
        """Checks that a model takes images of this size and number of channels."""
        shape = model.input_shape
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise InputError(f"Expected a model of images. Received: one whose input has the shape {shape}.")
        wanted = shape[3]
        if wanted not in (self.channels, None):
            raise InputError(
                f"Expected images with the model's {wanted} channels. Received: data with {self.channels}. Build the "
                f"model with channels={self.channels}."
            )
        size = tuple(model.input_shape[1:3])
        if None not in size and size != tuple(self.image_size):
            turned = size == tuple(reversed(self.image_size))
            remedy = "A size is (height, width): one is turned." if turned else "Give both the same image_size."
            raise InputError(
                f"Expected images of the model's size {size}. Received: data with image_size={self.image_size}. "
                + remedy
            )

    def settings(self) -> dict[str, Any]:
        """Returns the size, the way to resize with its function, and how far JPEGs are decoded at reduced scale."""
        resize = [self.resize, RESIZES.find(self.resize)]
        found: dict[str, Any] = {"image_size": self.image_size, "resize": resize, "margin of reduced JPEGs": MARGIN}
        if self.pixel_range is not None:
            found["pixel_range"] = self.pixel_range
        if self.channels != 3:
            found["channels"] = self.channels
        return found
