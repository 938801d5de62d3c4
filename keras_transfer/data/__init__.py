"""Images with labels from many sources, always in the same form: ImageData."""

from keras_transfer.data.arrays import from_arrays
from keras_transfer.data.folders import from_directory
from keras_transfer.data.image_data import Examples, ImageData
from keras_transfer.data.tfds import from_tfds

__all__ = ["Examples", "ImageData", "from_arrays", "from_directory", "from_tfds"]
