"""Computes the cache key of activations from everything they depend on."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._identity import identity_of
from keras_transfer._version import __version__
from keras_transfer.data.augment.named import parts_of
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.engines import ENGINES
from keras_transfer.engines.choosing import TENSORFLOW


def key_of(
    prefix: keras.Model, data: LabelledData, split: str, views: int, dtype: str, engine: str = TENSORFLOW
) -> str:
    """Returns the key of the activations that `prefix` gives for a split.

    It depends on the graph and weights of the prefix, preprocessing included; on each image's file by path, size and
    time, or on its content; on the way examples are decoded and augmented; and on the engine and the versions of what
    computes.
    """
    versions = [keras.__version__, tf.__version__, __version__]
    decoded = identity_of(data.kind.settings(), strict=True)
    augmented = [views, data.seed, identity_of(parts_of(data.augment, data.changes), strict=True)] if views else []
    network = identity_of(prefix, strict=True)
    computed = [] if engine == TENSORFLOW else [engine, ENGINES.find(engine).version]
    parts = [versions, decoded, augmented, network, dtype, *computed]
    digest = blake2b(json.dumps(parts).encode(), digest_size=16)
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
