"""Evidence: pictures, their pixels as decoded in training, and the outputs of the model in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_transfer.data import PipelineData
from keras_transfer.data.examples import Examples
from keras_transfer.data.kinds import Kind
from keras_transfer.data.pipelines.reading import read_pixels
from keras_transfer.data.pixels.views import over_views
from keras_transfer.insight.grad_cam import grad_cam, last_feature_map
from keras_transfer.serving.signatures import has_features
from keras_transfer.tasks.places import thinned

FILE = "verification.npz"
_BATCH = 8
_SIDE = 32  # rows and columns of answers for every pixel that are kept


@dataclass(frozen=True, eq=False)
class Evidence:
    """Pictures, and the outputs of the model in memory for them.

    Attributes:
        encoded: bytes of the image files.
        pixels: uint8 `(count, height, width, 3)`, decoded and resized by the training pipeline; or of another kind of
            data what the pipeline makes of them.
        answers: float32 arrays by name: "outputs" `(count, num_classes)`, "features" `(count, channels)`, and
            "heat_maps" `(count, height, width)` for the class with the highest output. Those that the model does not
            have are left out. Empty if there was no model.
    """

    encoded: list[bytes]
    pixels: np.ndarray
    answers: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.encoded)

    def take(self, count: int) -> Evidence:
        """Returns the evidence of the first `count` pictures."""
        answers = {name: values[:count] for name, values in self.answers.items()}
        return Evidence(self.encoded[:count], self.pixels[:count], answers)

    def save(self, path: Path) -> None:
        """Writes the evidence to an `.npz` file; of answers for every pixel those of some rows and columns alone."""
        content, answers = np.frombuffer(b"".join(self.encoded), np.uint8), dict(self.answers)
        if answers.get("outputs", content).ndim == 4:
            answers["outputs"] = thinned(answers["outputs"], _SIDE)
        arrays = {"content": content, "lengths": [*map(len, self.encoded)], "pixels": self.pixels, **answers}
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read_evidence(path: Path) -> Evidence:
    """Reads a file written by `Evidence.save`."""
    with np.load(path) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    ends = np.cumsum(found.pop("lengths"))
    content = found.pop("content").tobytes()
    encoded = [content[start:end] for start, end in zip((0, *ends[:-1]), ends, strict=True)]
    return Evidence(encoded, found.pop("pixels"), found)


def gather(encoded: Sequence[bytes], kind: Kind, model: keras.Model | None, views: str | None = None) -> Evidence:
    """Decodes pictures with the training pipeline, and runs a model in memory on them.

    Args:
        encoded: bytes of image files.
        kind: how they are decoded.
        model: the model in memory; None to leave out its outputs.
        views: over which outputs are averaged.
    """
    examples = Examples(np.array(encoded, dtype=object), np.zeros(len(encoded), np.int64), encoded=True)
    pixels = read_pixels(examples, kind).astype(kind.spec.dtype.as_numpy_dtype)
    with tf.device("/CPU:0"):  # the version runs there too; a GPU rounds differently
        return Evidence(list(encoded), pixels, {} if model is None else _answers(model, kind, pixels, views))


def contents_of(data: PipelineData, count: int) -> list[bytes]:
    """Returns up to `count` examples of the data as bytes of files; images in arrays are encoded as PNG.

    They are evenly spaced among the validation examples, or the training examples if there are none.
    """
    examples = data.splits.get("validation") or data.splits["train"]
    chosen = np.unique(np.linspace(0, len(examples) - 1, count).astype(int))
    found = []
    for item in examples.items[chosen]:
        try:
            found.append(_bytes_of(item, examples, data.kind))
        except OSError:  # deleted since
            continue
    return found


def weights_hash(model: keras.Model) -> str:
    """Returns the SHA-256 of a model's weights. It does not depend on their order, so a reloaded model has the same."""
    digests = []
    for variable in model.weights:
        values = np.asarray(variable)
        digests.append(hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def _bytes_of(item: Any, examples: Examples, kind: Kind) -> bytes:
    if examples.in_files:
        return kind.content_of(item)
    if examples.encoded:
        return bytes(item)
    file = BytesIO()
    Image.fromarray(np.clip(np.round(item), 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _answers(model: keras.Model, kind: Kind, pixels: np.ndarray, views: str | None) -> dict[str, np.ndarray]:
    parts = {"outputs": model.outputs[0]}
    if has_features(model):
        parts["features"] = model.get_layer("features").output
    # `predict` runs a graph, as a server does: eager operations may round differently
    given = pixels.astype(kind.dtype.as_numpy_dtype)
    answered = keras.Model(model.inputs[0], parts).predict(given, batch_size=_BATCH, verbose=0)
    found = {name: values.astype(np.float32) for name, values in answered.items()}
    if views is not None:
        outputs = keras.Model(model.inputs[0], model.outputs[0])
        run = partial(outputs.predict, batch_size=_BATCH, verbose=0)
        found["outputs"] = over_views(lambda every: run(every.numpy()), given, views).numpy()
    found["outputs"] = kind.placed(tf.constant(found["outputs"]), tf.constant(given)).numpy()
    if pixels.ndim == 4 and found["outputs"].ndim == 2 and last_feature_map(model) is not None:
        found["heat_maps"] = grad_cam(model, pixels, class_ids=found["outputs"].argmax(axis=1))
    return found
