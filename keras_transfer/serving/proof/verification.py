"""verify: runs a version in a process with TensorFlow alone, and compares its outputs with the model in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import PATH, Kind, Number, Whole, takes
from keras_transfer._checks import InputError, VerificationError
from keras_transfer.data import PipelineData
from keras_transfer.data.by_kind import faults_in, files_of
from keras_transfer.models.precision import in_float32
from keras_transfer.models.stages import MODEL
from keras_transfer.serving.description import Description, library_versions, read_description
from keras_transfer.serving.proof.differences import Verification, compare, of_task, together
from keras_transfer.serving.proof.evidence import FILE, Evidence, contents_of, gather, read_evidence, weights_hash
from keras_transfer.serving.proof.probe import Probe
from keras_transfer.serving.specimens import specimens
from keras_transfer.serving.versions import find_version

RESULT = "verification.json"
TOLERANCE = 1e-5  # every version computes with 32 bits

_PICTURES = 16  # number of the user's pictures that an export is verified with


def verify_export(
    probe: Probe, folder: Path, model: keras.Model, data: PipelineData | None, description: Description
) -> Verification:
    """Verifies a version before it is published, and writes the result and the evidence into its folder.

    Raises:
        VerificationError: if a difference is above the tolerance (the message names the largest), or the version
            cannot be run.
    """
    drawn = specimens(description.kind)
    own = [] if data is None else contents_of(data, _PICTURES)
    evidence = gather([*drawn, *own], description.kind, model, description.views)
    (answers,) = probe.ask(folder, [evidence])
    verification = compare(answers, evidence, description, TOLERANCE)
    if not verification.passed:
        shown = [f"drawn picture {index + 1}" for index in range(len(drawn))]
        shown += [f"picture {index + 1} of the data" for index in range(len(own))]
        raise VerificationError(_beyond(verification, shown))
    evidence.take(len(drawn)).save(folder / FILE)
    _write_result(folder, verification, weights_hash(model))
    return verification


def verify_many(
    probe: Probe,
    folder: Path,
    models: Mapping[str, keras.Model],
    data: Mapping[str, PipelineData],
    tasks: Mapping[str, Description],
) -> None:
    """Verifies a version with several tasks before it is published, and writes the results into its folder, by task.

    Raises:
        VerificationError: as `verify_export`; the message names the task.
    """
    first = next(iter(tasks.values()))
    own = [picture for name in tasks if name in data for picture in contents_of(data[name], _PICTURES)]
    pictures = [*specimens(first.kind), *own]
    evidence = {name: gather(pictures, first.kind, models[name]) for name in tasks}
    (answers,) = probe.ask(folder, [Evidence(pictures, evidence[next(iter(tasks))].pixels, {})])
    content: dict[str, Any] = {}
    for name, description in tasks.items():
        alone = Evidence(pictures, evidence[name].pixels, {"outputs": evidence[name].answers["outputs"]})
        found = compare(of_task(answers, name, description.kind.decoder), alone, description, TOLERANCE)
        if not found.passed:
            raise VerificationError(f"Task {name!r}: {_beyond(found, [f'picture {n + 1}' for n in range(len(alone))])}")
        content[name] = {**found.to_dict(), "weights": weights_hash(models[name])}
    written = {"tasks": content, "versions": library_versions()}
    (folder / RESULT).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


@takes(
    path=PATH,
    data=PATH | Kind(PipelineData, "the data of a training") | None,
    model=PATH | MODEL | None,
    tolerance=Number(0, above=True) | None,
    images=Whole(1),
)
def verify(
    path: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | PipelineData | None = None,
    model: keras.Model | str | os.PathLike[str] | None = None,
    tolerance: float | None = None,
    images: int = 64,
) -> Verification:
    """Verifies an exported version again, on any machine, in a process with TensorFlow alone.

    For the pictures that were generated for the export, the version's outputs must equal those that the export stored.
    With `data`, more pictures are compared. Their decoded pixels must equal those of the training pipeline. Their
    outputs must equal those of `model`. Without `model`, the file `model.keras` beside the versions is used if its
    weights are those of this version; without either, the outputs of the signatures must equal each other.

    Args:
        path: folder of a version, or a folder of versions, of which the newest is verified.
        data: a folder of pictures, with or without class folders, or the data of a training.
        model: the model that was exported, or its `.keras` file.
        tolerance: the largest difference that is accepted; by default that of the export.
        images: number of pictures of `data`.

    Returns:
        The differences for each output of each signature. `.passed` is True if all are within the tolerance.

    Raises:
        InputError: if there is no version at `path`, it was exported without verification, or `data` or `model` cannot
            be read.
        VerificationError: if the version cannot be run, or `model` has other weights.
    """
    folder = find_version(path)
    description = read_description(folder)
    try:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        parts = [read_evidence(folder / FILE)]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"Expected a version that was verified when it was exported. Received: {str(folder)!r}, in which "
            f"{RESULT} or {FILE} is missing or damaged ({error}). Export it again, with verify=True."
        ) from error
    reference = _reference(model, folder, result["weights"])
    if data is not None:
        parts.append(gather(_pictures(data, images, description), description.kind, reference, description.views))
    limit = result["tolerance"] if tolerance is None else tolerance
    with Probe() as probe:
        answers = probe.ask(folder, parts)
    return together(
        [compare(said, evidence, description, limit) for said, evidence in zip(answers, parts, strict=True)]
    )


def _write_result(folder: Path, verification: Verification, weights: str) -> None:
    content = {**verification.to_dict(), "weights": weights, "versions": library_versions()}
    (folder / RESULT).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _beyond(verification: Verification, shown: Sequence[str]) -> str:
    """Returns an error message that lists the largest differences of a version that failed."""
    by_size = sorted(verification.failures, key=lambda found: -np.nan_to_num(found.largest, nan=np.inf))
    cases = [
        f"{found.signature} {found.output} {found.largest:.1e}"
        + (f" at {', '.join(shown[index] for index in found.worst)}" if found.worst else " (not a number, or missing)")
        for found in by_size[:3]
    ]
    return (
        f"Expected the SavedModel to answer like the model in memory, within {verification.tolerance:g}. Received "
        f"differences in {len(verification.failures)} of {len(verification.differences)} outputs: {'; '.join(cases)}. "
        "Nothing was published. Look for layers that are random or keep a state when they predict, such as a Lambda, "
        "or pass verify=False."
    )


def _reference(model: keras.Model | str | os.PathLike[str] | None, folder: Path, weights: str) -> keras.Model | None:
    """Returns the model that a version was exported from, or None if it is not available.

    Raises:
        VerificationError: if `model` has other weights than the version.
    """
    beside = folder.parent / "model.keras"
    if model is None:
        if not beside.is_file():
            return None
        known = in_float32(_load(beside))
        return known if weights_hash(known) == weights else None  # other weights: it is from a later training
    known = in_float32(model if isinstance(model, keras.Model) else _load(Path(model).expanduser()))
    if weights_hash(known) != weights:
        raise VerificationError(
            f"Expected the model that {str(folder)!r} was exported from. Received: one with other weights."
        )
    return known


def _load(path: Path) -> keras.Model:
    try:
        return keras.models.load_model(path)
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a model saved by Keras. Received: {str(path)!r} ({error}).") from error


def _pictures(data: str | os.PathLike[str] | PipelineData, count: int, description: Description) -> list[bytes]:
    if isinstance(data, PipelineData):
        return contents_of(data, count)
    folder = Path(data).expanduser()
    kind = description.kind
    files = files_of(kind, folder) if folder.is_dir() else []
    chosen = [files[index] for index in np.unique(np.linspace(0, len(files) - 1, count).astype(int))] if files else []
    bad = {left_out.path for left_out in faults_in(kind, chosen)}
    usable = [kind.content_of(path) for path in chosen if path not in bad]
    if not usable:
        raise InputError(f"Expected a folder with {kind.files} that can be decoded. Received: {str(data)!r}.")
    return usable
