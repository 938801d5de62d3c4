"""What activations depend on, as a key: any change makes another one."""

from __future__ import annotations

import json
import uuid
from hashlib import blake2b
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._version import __version__
from keras_transfer.data import ImageData
from keras_transfer.data.pixels.images import MARGIN


def key_of(prefix: keras.Model, data: ImageData, split: str, views: int, dtype: str) -> str:
    """Returns the key of the activations that `prefix` gives for a split.

    It depends on the graph and weights of the prefix, preprocessing included; on each image's file by path, size and
    time, or on its content; on the way images are resized and augmented; and on the versions of what computes.
    """
    digest = blake2b(digest_size=16)
    form = [data.image_size, data.resize, MARGIN, views, dtype, keras.__version__, tf.__version__, __version__]
    if views:
        parts = list(data.augment) if isinstance(data.augment, (list, tuple)) else [data.augment]
        form += [part if isinstance(part, str) else uuid.uuid4().hex for part in parts]  # a function has no identity
        form += [data.seed]
    digest.update(json.dumps(form).encode())
    digest.update(_graph(prefix).encode())
    for weight in prefix.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
    examples = data.splits[split]
    if examples.items.dtype.kind in "iuf":
        digest.update(np.ascontiguousarray(examples.items).data)
    elif examples.encoded:
        for content in examples.items:
            digest.update(blake2b(content).digest())
    else:
        for path in examples.items:
            file = Path(path.decode() if isinstance(path, bytes) else path)
            about = file.stat()
            digest.update(f"{file.absolute()} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _graph(model: keras.Model) -> str:
    """Returns layers and connections, with names that do not depend on what else was built in the process."""
    text = json.dumps(model.get_config()["layers"], default=str, sort_keys=True)
    for index, operation in enumerate(model.operations):
        text = text.replace(json.dumps(operation.name), f'"operation {index}"')
    return text
