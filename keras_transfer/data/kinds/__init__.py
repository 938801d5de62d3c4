"""Kinds of data: for each, the one graph function from what lies in a file to what a network takes.

It may import `pixels`. Reading, the doctor, an export and so the server call this one function: they cannot disagree.
"""

from keras_transfer.data.kinds.images import Images
from keras_transfer.data.kinds.kind import Kind

__all__ = ["Images", "Kind"]
