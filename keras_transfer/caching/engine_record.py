"""The record of which engine was chosen for a network on this machine, so that later runs choose the same."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import keras
import tensorflow as tf

from keras_transfer._checks import DiskError
from keras_transfer._folders import write_whole
from keras_transfer.caching.folder import ENGINES_KNOWN
from keras_transfer.engines import ENGINES, Chosen


def recalled(folder: Path, prefix: keras.Model) -> str | None:
    """Returns the name of the engine that was chosen, if it is still installed; None if none was."""
    try:
        name = json.loads(_file(folder, prefix).read_text(encoding="utf-8"))["engine"]
    except (OSError, ValueError, KeyError):
        return None
    return name if name in ENGINES.names() and ENGINES.find(name).installed else None


def remember(folder: Path, prefix: keras.Model, chosen: Chosen) -> None:
    """Writes down what was chosen, and why; where that cannot be written, later runs choose anew."""
    content = {"engine": chosen.name, "why": chosen.why, "difference": chosen.difference}
    with suppress(DiskError):
        write_whole(_file(folder, prefix), json.dumps(content, indent=2) + "\n")


def _file(folder: Path, prefix: keras.Model) -> Path:
    """Names the record by the shape of the network, the processors, and the versions of all engines that are there."""
    engines = {name: ENGINES.find(name).version for name in ENGINES.names() if ENGINES.find(name).installed}
    shapes = [tuple(layer.output.shape[1:]) for layer in prefix.layers if not isinstance(layer.output, (list, tuple))]
    about = [shapes, prefix.count_params(), os.cpu_count(), engines, tf.__version__]
    return folder / ENGINES_KNOWN / f"{blake2b(json.dumps(about).encode(), digest_size=8).hexdigest()}.json"
