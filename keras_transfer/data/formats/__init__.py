"""The formats of picture files: one file for each family, with what its names end in and what its content begins with.

TensorFlow decodes JPEG, PNG, GIF, BMP and WebP. Files of the others are decoded here, at the door, and go on as the
bytes of a BMP file, which TensorFlow decodes. Imports nothing of the data but libraries.
"""

from keras_transfer.data.formats import arrays, dicom, native, pillow, tiff
from keras_transfer.data.formats.format import FORMATS, Format, FormatError, Opened, Picture

__all__ = ["FORMATS", "Format", "FormatError", "Opened", "Picture", "arrays", "dicom", "native", "pillow", "tiff"]
