"""export_many: several models with a network in common as one SavedModel, which computes that part once."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from keras_transfer._arguments import PATH, Flag, Kind, takes
from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import writable_folder
from keras_transfer._identity import identity_of
from keras_transfer.data import PipelineData
from keras_transfer.data.kinds import Images
from keras_transfer.models.precision import in_float32
from keras_transfer.models.stages import check_one_way, split, stages
from keras_transfer.models.tuning import fold
from keras_transfer.serving.card.card import write_card
from keras_transfer.serving.description import Description, describe, write_many
from keras_transfer.serving.proof.hashes import write_hashes
from keras_transfer.serving.proof.probe import Probe
from keras_transfer.serving.proof.verification import verify_many
from keras_transfer.serving.signatures import Answer, Signature, resources_of
from keras_transfer.serving.specimens import specimens
from keras_transfer.serving.versions import publish
from keras_transfer.serving.warmup import write_warmup

CARDS = "tasks"
_RESERVED = ("serving_default", "predict_images", "predict_images_uint8", "decode_images")
_TASK = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BY_TASK = Kind(Mapping, "a mapping from the names of tasks")


@takes(
    models=_BY_TASK,
    path=PATH,
    data=_BY_TASK | None,
    class_names=_BY_TASK | None,
    verify=Flag(),
)
def export_many(
    models: Mapping[str, keras.Model],
    path: str | os.PathLike[str],
    *,
    data: Mapping[str, PipelineData] | None = None,
    class_names: Mapping[str, Sequence[str]] | None = None,
    verify: bool = True,
) -> Path:
    """Exports several models as the next version below `path`, in which what they have in common is computed once.

    The models share the network from the images on, up to the last stage in which their weights differ: heads on one
    frozen network share all of it, if they take the pooled vector alone. A tuning is folded first; one that changes the
    first stage leaves nothing to share. Signatures, for any number of images:

    - `serving_default` takes `image_bytes` and answers for every task: what `export` describes, with the name of the
      task and "_" before each output, such as `ants_class_names` and `ants_probabilities`.
    - `predict_images` and `predict_images_uint8` do so for `images`.
    - one signature for each task, with its name, takes `image_bytes` and answers for this task alone.
    - `decode_images` is that of `export`.

    Each task has a model card in the folder `tasks/NAME` of the version. `load_many` reads the version.

    Args:
        models: by the names of their tasks, made by `build_model` from one network with the same weights; names are
            letters, digits and "_".
        path: folder of all versions.
        data: by task, the data that a model was trained on: its class names, the way it resizes pictures, and pictures
            to verify with.
        class_names: by task, where there is no data; by default those that the models know, or numbers.
        verify: whether to compare the version with the models in memory before it is published.

    Returns:
        The folder of the new version.

    Raises:
        InputError: if a name cannot be one, the models have no stage in common, or take pictures of different form.
        DataError: if the number of names is not the number of outputs.
        VerificationError: if the version's outputs differ from those of the models in memory.
        DiskError: if `path` cannot be written.
    """
    data, class_names = data or {}, class_names or {}
    _check_names(models, data, class_names)
    for name, value in data.items():
        if not isinstance(value, PipelineData) or name in class_names:
            raise InputError(
                f"Expected `data` of task {name!r} to be ImageData or SoundData, or `class_names` in its place. "
                f"Received: {value!r}"
                f"{' with class names' if name in class_names else ''}."
            )
    every: dict[str, Description] = {}
    for name, model in models.items():
        of = data.get(name)
        check_one_way(model)
        given = class_names.get(name) if of is None else of.class_names
        every[name] = describe(model, given, of=None if of is None else of.kind)
        if every[name].axes:
            raise InputError(f"Expected models with one answer an example. Received: {name!r}, with one for each part.")
    _check_form(every)
    exact = {name: in_float32(model) for name, model in models.items()}
    plain = {name: fold(model) for name, model in exact.items()}
    cut = shared_cut(plain)
    root = Path(path).expanduser()
    staging = writable_folder(root)
    version = staging / "version"
    try:
        with Probe() if verify else nullcontext() as probe:
            _write(plain, cut, version, every)
            if probe is not None:
                verify_many(probe, version, exact, data, every)
        for name, model in models.items():
            (version / CARDS / name).mkdir(parents=True)
            write_card(version / CARDS / name, model, every[name], data.get(name), None)
        write_hashes(version)
        return publish(version, root)
    except OSError as error:
        raise DiskError(f"The export cannot be written to {str(root)!r}: {error}. Nothing was published.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def shared_cut(models: Mapping[str, keras.Model]) -> str:
    """Returns the name of the last cut up to which all models are the same: a stage, or "features".

    Raises:
        InputError: if their first stages differ already.
    """
    first, *others = models.values()
    names = [*stages(first)[1:], "features"]
    for cut in reversed(names):
        try:
            known = identity_of(split(first, cut)[0], strict=True)
            if all(identity_of(split(other, cut)[0], strict=True) == known for other in others):
                return cut
        except InputError:  # another network has no such stage
            continue
    raise InputError(
        f"Expected models whose first stage has the same weights, to compute it once. Received: {list(models)}, which "
        "have no stage in common. Train their heads on one network, or tune its last stages alone."
    )


def _write(models: Mapping[str, keras.Model], cut: str, folder: Path, every: Mapping[str, Description]) -> None:
    halves = {name: split(model, cut) for name, model in models.items()}
    prefix, suffixes = next(iter(halves.values()))[0], {name: suffix for name, (_, suffix) in halves.items()}
    asked = _signatures(prefix, suffixes, every)
    archive = keras.export.ExportArchive()
    first = next(iter(every.values()))
    archive.track(resources_of([prefix, *suffixes.values()], first.kind))
    for name, signature in asked.items():
        archive.add_endpoint(name, signature.function, list(signature.inputs))
    archive.write_out(str(folder), verbose=False)
    first.kind.write_beside(folder)
    write_warmup(folder, asked, specimens(first.kind)[0])
    write_many(folder, every, cut)


def _signatures(
    prefix: keras.Model, suffixes: Mapping[str, keras.Model], every: Mapping[str, Description]
) -> dict[str, Signature]:
    first = next(iter(every.values()))
    kind = first.kind
    tensors = kind.batch_spec
    encoded = tf.TensorSpec((None,), tf.string, name=kind.content)

    def outputs_of(batch: tf.Tensor) -> Answer:
        shared = prefix(batch, training=False)
        return {name: suffix(shared, training=False) for name, suffix in suffixes.items()}

    network = tf.function(outputs_of, input_signature=[tensors], autograph=False)
    labels = {name: tf.constant(description.class_names) for name, description in every.items()}

    def answer(name: str, batch: tf.Tensor) -> Answer:
        return every[name].task.answer(network(tf.cast(kind.trimmed(batch), kind.dtype))[name], labels[name])

    def answers(batch: tf.Tensor) -> Answer:
        outputs = network(tf.cast(kind.trimmed(batch), kind.dtype))
        return {
            f"{name}_{output}": value
            for name, description in every.items()
            for output, value in description.task.answer(outputs[name], labels[name]).items()
        }

    def alone(name: str) -> Signature:
        return Signature(lambda content: answer(name, kind.decode_batch(content)), (encoded,))

    found = {
        "serving_default": Signature(lambda content: answers(kind.decode_batch(content)), (encoded,)),
        f"predict_{kind.tensor}": Signature(answers, (tensors,)),
        kind.decoder: Signature(lambda content: {kind.tensor: kind.decode_batch(content)}, (encoded,)),
        **{name: alone(name) for name in every},
    }
    if isinstance(kind, Images):
        found["predict_images_uint8"] = Signature(answers, (tf.TensorSpec(tensors.shape, tf.uint8, name=kind.tensor),))
    return found


def _check_names(models: Mapping[str, object], *others: Mapping[str, object]) -> None:
    if not models:
        raise InputError("Expected one model or more. Received: an empty mapping.")
    for name in models:
        if not isinstance(name, str) or not _TASK.fullmatch(name) or name in _RESERVED:
            raise InputError(
                "Expected names of tasks that are letters, digits and '_', begin with a letter, and are not one of "
                f"{list(_RESERVED)}. Received: {name!r}."
            )
    strangers = sorted({name for other in others for name in other} - set(models))
    if strangers:
        raise InputError(f"Expected data and class names of the tasks {list(models)}. Received: {strangers}.")


def _check_form(every: Mapping[str, Description]) -> None:
    """Checks that all tasks take pictures of one form."""
    alike = {
        name: replace(description, class_names=(), activation="", possible_from=None, known_from=None)
        for name, description in every.items()
    }
    first, form = next((name, description.content()) for name, description in alike.items())
    for name, description in alike.items():
        other = description.content()
        if other != form:
            wrong = next(key for key in {**other, **form} if other.get(key) != form.get(key))
            told = json.dumps({first: form.get(wrong), name: other.get(wrong)})
            raise InputError(f"Expected models that take pictures of one form. Received: `{wrong}` {told}.")
