"""verify: a version is asked in a process with TensorFlow alone, and must answer what the model in memory answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import keras
import numpy as np

from keras_transfer._arguments import PATH, Kind, Number, Whole, takes
from keras_transfer._checks import InputError, VerificationError
from keras_transfer.data import ImageData
from keras_transfer.data.files import check_files, find_images
from keras_transfer.models.stages import MODEL
from keras_transfer.serving.description import Description, library_versions, read_description
from keras_transfer.serving.proof.differences import Verification, compare, together
from keras_transfer.serving.proof.evidence import FILE, Evidence, gather, pictures_of, read_evidence, weights_hash
from keras_transfer.serving.specimens import specimens
from keras_transfer.serving.versions import find_version

RESULT = "verification.json"
TOLERANCE = 1e-5  # of numbers computed with 32 bits
HALF_TOLERANCE = 1e-2  # where a layer computes with 16 bits, which a server's graph may round in other places

_PICTURES = 16  # of the user's own in an export
_WAIT = 900  # seconds after which a process that does not answer is given up
_PROBE = Path(__file__).with_name("probing.py")
# on the CPU, as what it is compared with: a GPU rounds otherwise, and its memory may be taken
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def _start() -> subprocess.Popen[str]:
    """Starts a process with TensorFlow alone, which waits for a line on its standard input."""
    return subprocess.Popen(
        [sys.executable, "-P", str(_PROBE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **_QUIET},
    )


class Probe:
    """A process with TensorFlow alone, which starts at once and will answer for a version. A context manager."""

    def __init__(self) -> None:
        self._process = _start()

    def ask(self, version: Path, parts: Sequence[Evidence]) -> list[dict[str, np.ndarray]]:
        """Returns what a version answers for the pictures of each part, by signature and output.

        Raises:
            InputError: if it cannot be loaded or asked.
        """
        with tempfile.TemporaryDirectory() as folder:
            requests = [Path(folder) / f"request_{index}.npz" for index in range(len(parts))]
            answers = [Path(folder) / f"answer_{index}.npz" for index in range(len(parts))]
            for evidence, request in zip(parts, requests, strict=True):
                evidence.save(request)
            task = {"version": str(version), "files": [*zip(map(str, requests), map(str, answers), strict=True)]}
            try:
                _, said = self._process.communicate(json.dumps(task) + "\n", timeout=_WAIT)
            except subprocess.TimeoutExpired:
                said = f"no answer in {_WAIT} seconds"
            if self._process.returncode != 0:
                reason = said.strip().splitlines()[-1] if said.strip() else f"exit code {self._process.returncode}"
                raise VerificationError(
                    f"The SavedModel cannot be asked in a process of its own, with TensorFlow alone: {reason}"
                )
            found = []
            for answer in answers:
                with np.load(answer) as arrays:
                    found.append(dict(arrays))
            return found

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stderr):
            if stream is not None:
                stream.close()


def verify_export(
    probe: Probe, folder: Path, model: keras.Model, data: ImageData | None, description: Description
) -> Verification:
    """Verifies a version that is about to be published, and writes the result and the evidence into its folder.

    Raises:
        InputError: if its answers are beyond the tolerance, with the worst of them, or it cannot be asked.
    """
    drawn = specimens(description.image_size)
    own = [] if data is None else pictures_of(data, _PICTURES)
    evidence = gather([*drawn, *own], description.image_size, description.resize, model)
    (answers,) = probe.ask(folder, [evidence])
    verification = compare(answers, evidence, description, tolerance_of(model))
    if not verification.passed:
        shown = [f"drawn picture {index + 1}" for index in range(len(drawn))]
        shown += [f"picture {index + 1} of the data" for index in range(len(own))]
        raise VerificationError(_beyond(verification, shown))
    evidence.take(len(drawn)).save(folder / FILE)
    _write_result(folder, verification, weights_hash(model))
    return verification


@takes(
    path=PATH,
    data=PATH | Kind(ImageData, "the data of a training") | None,
    model=PATH | MODEL | None,
    tolerance=Number(0, above=True) | None,
    images=Whole(1),
)
def verify(
    path: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | ImageData | None = None,
    model: keras.Model | str | os.PathLike[str] | None = None,
    tolerance: float | None = None,
    images: int = 64,
) -> Verification:
    """Verifies an exported version again, on any machine: asks it in a process with TensorFlow alone.

    The pictures drawn for the export must get the answers that the model in memory gave then. Pictures of `data` must
    be decoded to the pixels that training sees, and all signatures must agree on them: with `model`, or else with
    `model.keras` beside the versions if it has the weights of this one, and in any case among themselves.

    Args:
        path: a version, or a folder of versions for the newest.
        data: a folder with pictures, in class folders or not, or the data of a training.
        model: the model that was exported, or its `.keras` file.
        tolerance: largest difference that is accepted; that of the export by default.
        images: number of pictures of `data`.

    Returns:
        The differences of each signature; `.passed` says whether all are within the tolerance.

    Raises:
        InputError: if there is no such version, no evidence in it, it cannot be asked, or the model has other weights.
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
        parts.append(
            gather(_pictures(data, images, description), description.image_size, description.resize, reference)
        )
    limit = result["tolerance"] if tolerance is None else tolerance
    with Probe() as probe:
        answers = probe.ask(folder, parts)
    return together(
        [compare(said, evidence, description, limit) for said, evidence in zip(answers, parts, strict=True)]
    )


def tolerance_of(model: keras.Model) -> float:
    """Returns the largest difference that is accepted for a model, by the precision it computes with."""
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in model.layers)
    return HALF_TOLERANCE if half else TOLERANCE


def _write_result(folder: Path, verification: Verification, weights: str) -> None:
    content = {**verification.to_dict(), "weights": weights, "versions": library_versions()}
    (folder / RESULT).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _beyond(verification: Verification, shown: Sequence[str]) -> str:
    """Says what is wrong with an export, the worst cases first."""
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
    """Returns the model that a version was made of, if it is known and has its weights."""
    beside = folder.parent / "model.keras"
    if model is None:
        if not beside.is_file():
            return None
        known = _load(beside)
        return known if weights_hash(known) == weights else None  # of a later training, then
    known = model if isinstance(model, keras.Model) else _load(Path(model).expanduser())
    if weights_hash(known) != weights:
        raise VerificationError(
            f"Expected the model that {str(folder)!r} was made of. Received: one with other weights."
        )
    return known


def _load(path: Path) -> keras.Model:
    try:
        return keras.models.load_model(path)
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a model saved by Keras. Received: {str(path)!r} ({error}).") from error


def _pictures(data: str | os.PathLike[str] | ImageData, count: int, description: Description) -> list[bytes]:
    if isinstance(data, ImageData):
        return pictures_of(data, count)
    folder = Path(data).expanduser()
    files = find_images(folder) if folder.is_dir() else []
    chosen = [files[index] for index in np.unique(np.linspace(0, len(files) - 1, count).astype(int))] if files else []
    bad = {left_out.path for left_out in check_files(chosen, max(description.image_size))}
    usable = [path.read_bytes() for path in chosen if path not in bad]
    if not usable:
        raise InputError(f"Expected a folder with pictures that can be decoded. Received: {str(data)!r}.")
    return usable
