"""export: writes the next version of a SavedModel that carries decoding, resizing, preprocessing and class names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

import keras
import tensorflow as tf

from keras_transfer._arguments import PATH, Flag, Kind, Part, Whole, takes
from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import writable_folder
from keras_transfer.data import ImageData
from keras_transfer.data.pixels.resizing import RESIZES
from keras_transfer.insight.evaluation import Report
from keras_transfer.models.stages import MODEL
from keras_transfer.serving.card.card import write_card
from keras_transfer.serving.description import Description, describe
from keras_transfer.serving.proof.hashes import write_hashes
from keras_transfer.serving.proof.verification import Probe, verify_export
from keras_transfer.serving.signatures import signatures
from keras_transfer.serving.specimens import specimens
from keras_transfer.serving.versions import publish
from keras_transfer.serving.warmup import write_warmup


@takes(
    model=MODEL,
    path=PATH,
    data=Kind(ImageData, "the data the model was trained on") | None,
    class_names=Kind(Iterable, "a list of names") | None,
    resize=Part(RESIZES) | None,
    report=Kind(Report, "a Report of evaluate") | None,
    top_k=Whole(1) | None,
    verify=Flag(),
)
def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    data: ImageData | None = None,
    class_names: Sequence[str] | None = None,
    resize: str | None = None,
    report: Report | None = None,
    top_k: int | None = None,
    verify: bool = True,
) -> Path:
    """Writes a model as the next version below `path`: `path/1`, then `path/2` and so on.

    The version is written aside, verified and renamed, so a server never sees half of it or a wrong one. It needs
    nothing but TensorFlow. Its signatures, each with a free number of pictures:

    - `serving_default` takes `image_bytes`, strings `(batch,)`: JPEG, PNG, GIF, BMP or WebP files as they are.
    - `predict_images` takes `images`, float32 `(batch, height, width, 3)` in [0, 255] of the model's size;
      `predict_images_uint8` the same as uint8.
    - `features` takes `image_bytes` and returns `features`, float32 `(batch, channels)`, what the head is given.
    - `top_k`, if asked for, takes `image_bytes` and returns the `k` highest, `(batch, k)`.
    - `explain` takes `image_bytes` and `class_ids`, int64 `(batch,)` with -1 for the highest, and returns
      `heat_maps`, float32 `(batch, height, width)` in [0, 1] (see `grad_cam`), over `images`, uint8.
    - `decode_images` takes `image_bytes` and returns `images`, uint8 `(batch, height, width, 3)`: what is seen.

    The first three return, for one class an image, `class_names` `(batch,)` and `class_ids` int64 `(batch,)` of the
    most probable class, and `probabilities` float32 `(batch, num_classes)` in the order of the class names; for
    several labels at once `probabilities`, `present` (above one half) and `class_names`, all `(batch, num_classes)`;
    for regression `values` and `class_names`, both `(batch, num_classes)`.

    Verifying starts a process with TensorFlow alone, which loads the version and is asked about drawn pictures of all
    formats and some of the data. The decoded pixels and all answers must be those of the training pipeline and of the
    model in memory, up to 1e-5 (1e-2 for a model that computes with 16 bits); `verification.json` in the version's
    folder holds what was found. See `verify`.

    Beside it lie a model card (`model_card.md` and `.json`), filled from the model, its training, `data` and `report`,
    and the hashes of all files, which `load(..., check=True)` compares and `sign` signs.

    Args:
        model: a model made by `build_model`, or any functional model that takes images in [0, 255].
        path: folder of all versions, the one TF Serving is given; made if it is missing.
        data: the data the model was trained on, which knows class names and resizing.
        class_names: name of each class, if there is no `data`; their numbers by default.
        resize: how pictures are brought to the model's size, if there is no `data`: "crop" by default.
        report: of `evaluate`, for the model card.
        top_k: number of classes for the signature `top_k`; without it there is none.
        verify: compare the version with the model in memory before it is published; a few seconds.

    Returns:
        The folder of the new version.

    Raises:
        InputError: if names and outputs do not fit, `resize` is unknown, `path` cannot be written, or the version
            does not answer what the model answers.
    """
    if data is not None and (class_names is not None or resize is not None):
        raise InputError("Expected `data`, or `class_names` and `resize`. Received both.")
    if data is not None:
        class_names, resize = data.class_names, data.resize
    description = describe(model, class_names, resize or "crop")
    if top_k is not None and top_k > len(description.class_names):
        raise InputError(f"Expected `top_k` up to {len(description.class_names)}. Received: top_k={top_k}.")
    root = Path(path).expanduser()
    staging = writable_folder(root)
    try:
        with Probe() if verify else nullcontext() as probe:
            _write(model, staging / "version", description, top_k)
            if probe is not None:
                verify_export(probe, staging / "version", model, data, description)
        write_card(staging / "version", model, description, data, report)
        write_hashes(staging / "version")
        return publish(staging / "version", root)
    except OSError as error:
        raise DiskError(f"The export cannot be written to {str(root)!r}: {error}. Nothing was published.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(model: keras.Model, folder: Path, description: Description, top_k: int | None) -> None:
    asked = signatures(model, description, top_k)
    archive = keras.export.ExportArchive()
    archive.track(_resources(model))
    for name, signature in asked.items():
        archive.add_endpoint(name, signature.function, list(signature.inputs))
    archive.write_out(str(folder), verbose=False)
    write_warmup(folder, asked, specimens(description.image_size)[0])
    description.write(folder)


def _resources(model: keras.Model) -> tf.Module:
    """Wraps a model so that Keras finds its lookup tables, but not its weights, which it would write a second time."""
    holder = tf.Module()
    holder.model = model
    return holder
