"""export: writes the next version of a SavedModel that includes decoding, resizing, preprocessing and class names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from keras_transfer._arguments import PATH, Choice, Flag, Kind, Number, Part, Whole, takes
from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import writable_folder
from keras_transfer.data import PipelineData
from keras_transfer.data.pixels.resizing import RESIZES
from keras_transfer.data.pixels.views import VIEWS
from keras_transfer.insight.conformal import smallest_possible
from keras_transfer.insight.evaluation import Answers
from keras_transfer.insight.selective import smallest_known
from keras_transfer.models.precision import in_float32
from keras_transfer.models.stages import MODEL
from keras_transfer.models.tuning import fold
from keras_transfer.serving.card.card import write_card
from keras_transfer.serving.description import Description, describe
from keras_transfer.serving.proof.hashes import write_hashes
from keras_transfer.serving.proof.probe import Probe
from keras_transfer.serving.proof.verification import verify_export
from keras_transfer.serving.signatures import resources_of, signatures
from keras_transfer.serving.specimens import specimens
from keras_transfer.serving.versions import publish
from keras_transfer.serving.warmup import write_warmup
from keras_transfer.tasks import TASKS, Classification, Report, ValuesReport, task_of_model

_ROUNDED = 1e-6  # of probabilities, so that another machine's rounding puts no class out of the set


@takes(
    model=MODEL,
    path=PATH,
    data=Kind(PipelineData, "the data the model was trained on") | None,
    class_names=Kind(Iterable, "a list of names") | None,
    resize=Part(RESIZES) | None,
    report=Kind((Report, ValuesReport), "a report of evaluate") | None,
    top_k=Whole(1) | None,
    views=Choice(*VIEWS.names()) | None,
    coverage=Number(0, 0.999, above=True) | None,
    min_accuracy=Number(0, 0.999, above=True) | None,
    verify=Flag(),
)
def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    data: PipelineData | None = None,
    class_names: Sequence[str] | None = None,
    resize: str | None = None,
    report: Report | ValuesReport | None = None,
    top_k: int | None = None,
    views: str | None = None,
    coverage: float | None = None,
    min_accuracy: float | None = None,
    verify: bool = True,
) -> Path:
    """Exports a model as the next version below `path`: `path/1`, then `path/2` and so on.

    The version is written to a temporary folder, verified, and then renamed. A server therefore never sees an
    incomplete or wrong version. The version needs only TensorFlow. Its signatures take any number of images:

    - `serving_default` takes `image_bytes`, strings `(batch,)`: the content of JPEG, PNG, GIF, BMP or WebP files.
    - `predict_images` takes `images`, float32 `(batch, height, width, 3)` in [0, 255], of the model's image size.
    - `predict_images_uint8` takes the same as uint8.
    - `features` takes `image_bytes` and returns `features`, float32 `(batch, channels)`: the input of the head.
    - `top_k` (only with the argument `top_k`) takes `image_bytes`. It returns `class_names`, `class_ids` int64 and
      `probabilities` (or `values`) float32 of the `k` highest outputs, each `(batch, k)`.
    - `explain` takes `image_bytes`, and `class_ids`, int64 `(batch,)`, where -1 stands for the highest output. It
      returns `heat_maps`, float32 `(batch, height, width)` in [0, 1] (see `grad_cam`), the explained `class_ids`, and
      the decoded `images`, uint8.
    - `possible` (only with the argument `coverage`) takes `image_bytes` and returns `possible`, bool, `class_names` and
      `probabilities`, all `(batch, num_classes)`.
    - `known` (only with the argument `min_accuracy`) takes `image_bytes` and returns what `serving_default` does, and
      `known`, bool `(batch,)`: False stands for "I do not know".
    - `decode_images` takes `image_bytes` and returns `images`, uint8 `(batch, height, width, 3)`: the resized images
      that the network gets.

    A model of sounds takes `audio_bytes`, the content of WAV files, in place of `image_bytes`; it has
    `predict_waveforms` with `waveforms`, float32 `(batch, samples)` in [-1, 1], and `decode_audio`, and no `explain`.

    The outputs of the first three signatures depend on the model's task:

    - One class per image: `class_names` `(batch,)` and `class_ids` int64 `(batch,)` of the most probable class, and
      `probabilities` float32 `(batch, num_classes)` in the order of the class names.
    - Several labels per image: `probabilities`, `present` (probability above one half) and `class_names`, all
      `(batch, num_classes)`.
    - Regression: `values` and `class_names`, both `(batch, num_classes)`.

    A tuning, such as LoRA, is computed into the weights of the network, which therefore has the size and the speed that
    it had without it (see `fold`).

    Verification starts a process that imports TensorFlow but neither Keras nor this package, and loads the version
    there. Its inputs are generated images in all formats and some images of `data`. The decoded pixels must equal
    those of the training pipeline. The outputs must equal those of the model in memory up to 1e-5, or 1e-2 for a model
    that computes with 16 bits. The result is written to `verification.json` in the version's folder. See `verify`.

    The version's folder also holds a model card (`model_card.md` and `model_card.json`), made from the model, its
    training, `data` and `report`, and a list of the hashes of all files. `load(..., check=True)` compares the hashes,
    and `sign` signs them.

    Args:
        model: a model made by `build_model`, or any functional model that takes images in [0, 255].
        path: folder of all versions, which is the folder to give to TF Serving; made if it does not exist.
        data: the data the model was trained on. Class names and resizing are taken from it.
        class_names: name of each class, if there is no `data`; by default their numbers.
        resize: how images are resized to the model's image size, if there is no `data`; "crop" by default.
        report: the result of `evaluate`, for the model card.
        top_k: number of classes that the signature `top_k` returns; by default this signature is left out.
        views: name in `kt.available("views")`, such as "flip" for a version that averages its outputs over the image
            and its mirror image. It computes the network once for each view. By default the image alone.
        coverage: a chance in (0, 1), such as 0.95, for a signature `possible` and for `Prediction.possible`: the
            classes among which the true one is with this chance, by split conformal prediction (Sadinle and others
            2019, https://arxiv.org/abs/1609.00451). It holds for images like the validation images of `data`, whose
            number it needs to be large enough, and for one class an image.
        min_accuracy: a share in (0, 1), such as 0.95, for a signature `known` and for `Prediction.known`: answers below
            a probability are "I do not know". The validation images of `data` choose it: of the answers above it they
            show, at a confidence of 90 %, that at least this share is right (selective classification: Geifman and
            El-Yaniv 2017, https://arxiv.org/abs/1705.08500). For one class an image.
        verify: whether to compare the version with the model in memory before it is published. Takes some seconds.

    Returns:
        The folder of the new version.

    Raises:
        InputError: if an argument is unknown or out of range, or the model does not have a fixed image size, one input
            and one output.
        DataError: if the number of names is not the number of outputs, or there are too few validation images for
            `coverage` or `min_accuracy`.
        VerificationError: if the version's outputs differ from those of the model in memory.
        DiskError: if `path` cannot be written.
    """
    if data is not None and (class_names is not None or resize is not None):
        raise InputError("Expected `data`, or `class_names` and `resize`. Received both.")
    if data is not None:
        class_names = data.class_names
    description = describe(model, class_names, resize or "crop", of=None if data is None else data.kind, views=views)
    description = replace(description, masks=getattr(data, "mask_values", None))
    _check_wanted(description, {"top_k": top_k, "coverage": coverage, "min_accuracy": min_accuracy})
    if coverage is not None or min_accuracy is not None:
        answers = _validated(model, data, views)
        if coverage is not None:
            least = float(smallest_possible(answers.outputs, answers.labels, coverage)) - _ROUNDED
            description = replace(description, coverage=coverage, possible_from=least)
        if min_accuracy is not None:
            least = smallest_known(answers.outputs, answers.labels, min_accuracy) - _ROUNDED
            description = replace(description, min_accuracy=min_accuracy, known_from=least)
    if top_k is not None and top_k > len(description.class_names):
        raise InputError(f"Expected `top_k` up to {len(description.class_names)}. Received: top_k={top_k}.")
    root = Path(path).expanduser()
    staging = writable_folder(root)
    try:
        with Probe() if verify else nullcontext() as probe:
            plain = in_float32(model)  # whatever it was trained in: other runtimes and other machines take it
            _write(fold(plain), staging / "version", description, top_k)
            if probe is not None:
                verify_export(probe, staging / "version", plain, data, description)
        write_card(staging / "version", model, description, data, report)
        write_hashes(staging / "version")
        return publish(staging / "version", root)
    except OSError as error:
        raise DiskError(f"The export cannot be written to {str(root)!r}: {error}. Nothing was published.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_wanted(description: Description, wanted: Mapping[str, Any]) -> None:
    """Refuses what a version with several answers an example cannot have."""
    given = {name: value for name, value in wanted.items() if value is not None}
    if description.axes and given:
        raise InputError(
            f"Expected none of {', '.join(wanted)} for {description.task.said_of_labels}. Received: "
            f"{', '.join(f'{name}={value}' for name, value in given.items())}."
        )


def _validated(model: keras.Model, data: PipelineData | None, views: str | None) -> Answers:
    """Returns the answers for the validation images, by which is chosen what is possible and what is known."""
    one_class = TASKS.find(Classification.name)
    if data is None or data.validation is None or data.task is not one_class or task_of_model(model) is not one_class:
        raise InputError(
            "Expected `data` with a validation split, and a model with softmax for one class an image, for `coverage` "
            "and `min_accuracy`. "
            f"Received: {'no data' if data is None else data}, and a model with {model.output_shape[-1]} outputs."
        )
    return Answers.on(model, data.validation, views=views)


def _write(model: keras.Model, folder: Path, description: Description, top_k: int | None) -> None:
    asked = signatures(model, description, top_k)
    archive = keras.export.ExportArchive()
    archive.track(resources_of([model], description.kind))
    for name, signature in asked.items():
        archive.add_endpoint(name, signature.function, list(signature.inputs))
    archive.write_out(str(folder), verbose=False)
    write_warmup(folder, asked, specimens(description.kind)[0])
    description.kind.write_beside(folder)
    description.write(folder)
