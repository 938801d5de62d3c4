"""Images with labels from many sources, always in the same form: ImageData."""

from keras_transfer.data.arrays import from_arrays
from keras_transfer.data.checkup import Checkup, Finding
from keras_transfer.data.doctor import check
from keras_transfer.data.examples import Examples
from keras_transfer.data.folders import from_directory
from keras_transfer.data.folds import folds
from keras_transfer.data.frames import from_dataframe
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.lists import save_split
from keras_transfer.data.shift import Shift, compare
from keras_transfer.data.tfds import from_tfds
from keras_transfer.data.tfrecords import from_tfrecord
from keras_transfer.data.unlabelled import unlabelled

__all__ = [
    "Checkup",
    "Examples",
    "Finding",
    "ImageData",
    "Shift",
    "check",
    "compare",
    "folds",
    "from_arrays",
    "from_dataframe",
    "from_directory",
    "from_tfds",
    "from_tfrecord",
    "save_split",
    "unlabelled",
]
