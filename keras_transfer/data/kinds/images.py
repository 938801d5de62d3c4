"""Images: files of photographs as pixels of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data.formats.naming import NATIVE
from keras_transfer.data.formats.translating import formats_read, reader
from keras_transfer.data.kinds.kind import Kind
from keras_transfer.data.pixels.images import MARGIN, load_pixels
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

    def check_model(self, model: keras.Model) -> None:
        """Checks that a model takes images of this size and number of channels."""
        wanted = model.input_shape[3]
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
