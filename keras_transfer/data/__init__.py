"""Images, sounds and texts with labels from many sources, always in the same form."""

from keras_transfer.data.examples import Examples
from keras_transfer.data.formats.translating import as_png
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.inspection.checkup import Checkup
from keras_transfer.data.inspection.doctor import check
from keras_transfer.data.inspection.finding import Finding
from keras_transfer.data.inspection.shift import Shift, compare
from keras_transfer.data.pipeline_data import PipelineData
from keras_transfer.data.sound_data import SoundData
from keras_transfer.data.sources.arrays import from_arrays
from keras_transfer.data.sources.audio_folders import from_audio_directory
from keras_transfer.data.sources.conll import from_conll
from keras_transfer.data.sources.folders import from_directory
from keras_transfer.data.sources.frames import from_dataframe
from keras_transfer.data.sources.masks import from_masks
from keras_transfer.data.sources.tagged_texts import from_tagged_texts
from keras_transfer.data.sources.text_folders import from_text_directory
from keras_transfer.data.sources.texts import from_texts
from keras_transfer.data.sources.tfds import from_tfds
from keras_transfer.data.sources.tfrecords import from_tfrecord
from keras_transfer.data.sources.unlabelled import unlabelled
from keras_transfer.data.splitting.folds import folds
from keras_transfer.data.splitting.lists import save_split
from keras_transfer.data.text_data import TextData

__all__ = [
    "Checkup",
    "Examples",
    "Finding",
    "ImageData",
    "PipelineData",
    "Shift",
    "SoundData",
    "TextData",
    "as_png",
    "check",
    "compare",
    "folds",
    "from_arrays",
    "from_audio_directory",
    "from_conll",
    "from_dataframe",
    "from_directory",
    "from_masks",
    "from_tagged_texts",
    "from_text_directory",
    "from_texts",
    "from_tfds",
    "from_tfrecord",
    "save_split",
    "unlabelled",
]
