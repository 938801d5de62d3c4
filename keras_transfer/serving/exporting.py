"""export: writes the next version of a SavedModel that carries decoding, resizing, preprocessing and class names."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._folders import writable_folder
from keras_transfer._version import __version__
from keras_transfer.data import ImageData
from keras_transfer.data.images import load_image
from keras_transfer.data.resizing import RESIZES

DESCRIPTION = "keras_transfer.json"


def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    data: ImageData | None = None,
    class_names: Sequence[str] | None = None,
    resize: str | None = None,
) -> Path:
    """Writes a model as the next version below `path`: `path/1`, then `path/2` and so on.

    The version is written aside and renamed, so a server never sees half of it. It needs nothing but TensorFlow:

    - `serving_default` takes `image_bytes`, strings `(batch,)`: JPEG, PNG, GIF, BMP or WebP files as they are.
    - `predict_images` takes `images`, float32 `(batch, height, width, 3)` in [0, 255] of the model's size;
      `predict_images_uint8` the same as uint8.

    All return `class_names` `(batch,)` and `class_ids` int64 `(batch,)` of the most probable class, and
    `probabilities` float32 `(batch, num_classes)` in the order of the class names.

    Args:
        model: a model made by `build_model`, or any functional model that takes images in [0, 255].
        path: folder of all versions, the one TF Serving is given; made if it is missing.
        data: the data the model was trained on, which knows class names and resizing.
        class_names: name of each class, if there is no `data`; their numbers by default.
        resize: how pictures are brought to the model's size, if there is no `data`: "crop" by default.

    Returns:
        The folder of the new version.

    Raises:
        InputError: if names and outputs do not fit, `resize` is unknown, or `path` cannot be written.
    """
    if data is not None and (class_names is not None or resize is not None):
        raise InputError("Expected `data`, or `class_names` and `resize`. Received both.")
    if data is not None:
        class_names, resize = data.class_names, data.resize
    resize = resize or "crop"
    RESIZES.find(resize)
    count, size = model.output_shape[-1], tuple(model.input_shape[1:3])
    names = tuple(map(str, range(count))) if class_names is None else tuple(class_names)
    if len(names) != count:
        raise InputError(f"Expected {count} class names, one for each output. Received: {list(names)}.")
    if None in size:
        raise InputError(f"Expected a model with a fixed image size. Received: input shape {model.input_shape}.")
    root = Path(path).expanduser()
    staging = writable_folder(root)
    try:
        _write(model, staging / "version", names, size, resize)
        description = {
            "class_names": list(names),
            "image_size": list(size),
            "resize": resize,
            "activation": getattr(model.layers[-1], "activation", keras.activations.linear).__name__,
            "versions": {"keras_transfer": __version__, "keras": keras.__version__, "tensorflow": tf.__version__},
        }
        (staging / "version" / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        return _publish(staging / "version", root)
    except OSError as error:
        raise InputError(f"The export cannot be written to {str(root)!r}: {error}. Nothing was published.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def versions(root: Path) -> list[int]:
    """Returns the numbers of the versions below a folder, in rising order."""
    return sorted(int(path.name) for path in root.iterdir() if path.name.isdecimal() and path.is_dir())


def _write(model: keras.Model, folder: Path, names: Sequence[str], size: tuple[int, int], resize: str) -> None:
    labels = tf.constant(names)

    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = model(images, training=False)
        class_ids = tf.argmax(probabilities, axis=-1)
        return {"class_names": tf.gather(labels, class_ids), "class_ids": class_ids, "probabilities": probabilities}

    def from_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        one = tf.TensorSpec((*size, 3), tf.float32)
        return answer(
            tf.map_fn(lambda encoded: load_image(encoded, size, resize), image_bytes, fn_output_signature=one)
        )

    def signature(kind: tf.DType, shape: tuple[Any, ...], name: str) -> list[tf.TensorSpec]:
        return [tf.TensorSpec(shape, kind, name=name)]

    images = (None, *size, 3)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", from_bytes, signature(tf.string, (None,), "image_bytes"))
    archive.add_endpoint("predict_images", answer, signature(tf.float32, images, "images"))
    archive.add_endpoint(
        "predict_images_uint8",
        lambda images: answer(tf.cast(images, tf.float32)),
        signature(tf.uint8, images, "images"),
    )
    archive.write_out(str(folder), verbose=False)


def _publish(folder: Path, root: Path) -> Path:
    """Renames a finished folder to the next free number; another process may take a number first."""
    number = max(versions(root), default=0) + 1
    while True:
        target = root / str(number)
        try:
            if not target.exists():
                folder.rename(target)
                return target
        except OSError:
            if not target.exists():
                raise
        number += 1
