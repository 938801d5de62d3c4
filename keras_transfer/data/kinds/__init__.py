"""Kinds of data: for each, the one graph function from what lies in a file to what a network takes.

It may import `pixels`, `sound` and `text`. Reading, the doctor, an export and so the server call this one function:
they cannot disagree.
"""

from keras_transfer.data.kinds.describing import kind_described, kind_of_model
from keras_transfer.data.kinds.images import Images
from keras_transfer.data.kinds.kind import Kind
from keras_transfer.data.kinds.sounds import Sounds
from keras_transfer.data.kinds.texts import Texts

__all__ = ["Images", "Kind", "Sounds", "Texts", "kind_described", "kind_of_model"]
