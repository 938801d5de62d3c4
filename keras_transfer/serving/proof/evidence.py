"""Evidence: pictures, the pixels a model was trained to see in them, and what it answers in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_transfer.data import ImageData
from keras_transfer.data.examples import Examples
from keras_transfer.data.pipelines.reading import read_pixels
from keras_transfer.insight.grad_cam import grad_cam, last_feature_map

FILE = "verification.npz"
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Evidence:
    """Pictures and what a model answers for them in memory.

    Attributes:
        encoded: bytes of the files.
        pixels: uint8 `(count, height, width, 3)`, as the training pipeline makes them.
        answers: float32 arrays by name: "outputs" `(count, num_classes)`, "features" `(count, channels)` and
            "heat_maps" `(count, height, width)` for the class with the highest output; those that the model has.
    """

    encoded: list[bytes]
    pixels: np.ndarray
    answers: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.encoded)

    def take(self, count: int) -> Evidence:
        """Returns the first of the pictures."""
        answers = {name: values[:count] for name, values in self.answers.items()}
        return Evidence(self.encoded[:count], self.pixels[:count], answers)

    def save(self, path: Path) -> None:
        """Writes it to an `.npz` file."""
        content = np.frombuffer(b"".join(self.encoded), np.uint8)
        arrays = {"content": content, "lengths": [*map(len, self.encoded)], "pixels": self.pixels, **self.answers}
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read_evidence(path: Path) -> Evidence:
    """Reads what `Evidence.save` wrote."""
    with np.load(path) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    ends = np.cumsum(found.pop("lengths"))
    content = found.pop("content").tobytes()
    encoded = [content[start:end] for start, end in zip((0, *ends[:-1]), ends, strict=True)]
    return Evidence(encoded, found.pop("pixels"), found)


def gather(encoded: Sequence[bytes], image_size: tuple[int, int], resize: str, model: keras.Model | None) -> Evidence:
    """Reads pictures by the pipeline of training and asks a model in memory about them, if there is one."""
    examples = Examples(np.array(encoded, dtype=object), np.zeros(len(encoded), np.int64), encoded=True)
    pixels = read_pixels(examples, image_size, resize).astype(np.uint8)
    with tf.device("/CPU:0"):  # where a version is asked too: a GPU rounds otherwise
        return Evidence(list(encoded), pixels, {} if model is None else _answers(model, pixels))


def pictures_of(data: ImageData, count: int) -> list[bytes]:
    """Returns the bytes of some pictures of the data, spread over its validation images; arrays become PNG files."""
    examples = data.splits.get("validation") or data.splits["train"]
    chosen = np.unique(np.linspace(0, len(examples) - 1, count).astype(int))
    found = []
    for item in examples.items[chosen]:
        try:
            found.append(_bytes_of(item, examples))
        except OSError:  # deleted since; others speak for it
            continue
    return found


def weights_hash(model: keras.Model) -> str:
    """Returns the SHA-256 of a model's weights, whatever their order; the same after a reload."""
    digests = []
    for variable in model.weights:
        values = np.asarray(variable)
        digests.append(hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def _bytes_of(item: Any, examples: Examples) -> bytes:
    if examples.in_files:
        return Path(item).read_bytes()
    if examples.encoded:
        return bytes(item)
    file = BytesIO()
    Image.fromarray(np.clip(np.round(item), 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _answers(model: keras.Model, pixels: np.ndarray) -> dict[str, np.ndarray]:
    parts = {"outputs": model.outputs[0]}
    if any(layer.name == "features" for layer in model.layers):
        parts["features"] = model.get_layer("features").output
    # `predict` runs a graph, as a server does: run operation by operation, a network may round in other places
    answered = keras.Model(model.inputs[0], parts).predict(pixels.astype(np.float32), batch_size=_BATCH, verbose=0)
    found = {name: values.astype(np.float32) for name, values in answered.items()}
    if last_feature_map(model) is not None:
        found["heat_maps"] = grad_cam(model, pixels, class_ids=found["outputs"].argmax(axis=1))
    return found
