"""Differences: the outputs of a served model compared with those of the model in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.data.kinds import Images
from keras_transfer.serving.description import Description
from keras_transfer.serving.proof.evidence import Evidence
from keras_transfer.serving.signatures import known_in, possible_in
from keras_transfer.tasks.places import thinned

_WORST = 3  # number of pictures reported for each output


@dataclass(frozen=True)
class Difference:
    """The difference between one output of one signature and its expected value.

    The difference of two floats is absolute. If a picture's expected output has magnitudes above 1, it is divided by
    the largest of them. The difference of other values, such as class names, is 0 if they are equal and 1 if not.

    Attributes:
        signature: name of the signature.
        output: name of the output.
        largest: the largest difference; not-a-number if the output is missing or has another shape.
        mean: the mean difference.
        worst: indices of the pictures with the largest differences, the largest first.
    """

    signature: str
    output: str
    largest: float
    mean: float
    worst: tuple[int, ...]


@dataclass(frozen=True)
class Verification:
    """The result of comparing a SavedModel with the model in memory; prints as a table.

    Attributes:
        images: number of pictures.
        tolerance: the largest difference that is accepted.
        differences: one for each output of each signature.
    """

    images: int
    tolerance: float
    differences: tuple[Difference, ...]

    @property
    def failures(self) -> tuple[Difference, ...]:
        """The differences above the tolerance, or not-a-number."""
        return tuple(found for found in self.differences if not found.largest <= self.tolerance)

    @property
    def passed(self) -> bool:
        """Whether all differences are within the tolerance."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as plain numbers and names that can be written as JSON."""
        return {
            "passed": self.passed,
            "images": self.images,
            "tolerance": self.tolerance,
            "largest_difference": _plain(float(np.max([found.largest for found in self.differences]))),
            "mean_difference": _plain(float(np.mean([found.mean for found in self.differences]))),
            "differences": {
                f"{found.signature}/{found.output}": {"largest": _plain(found.largest), "mean": _plain(found.mean)}
                for found in self.differences
            },
        }

    def __str__(self) -> str:
        lines = [f"{'signature':<22}{'output':<15}{'largest':>9}{'mean':>9}"]
        for found in self.differences:
            mark = "  above the tolerance" if found in self.failures else ""
            lines.append(f"{found.signature:<22}{found.output:<15}{found.largest:>9.1e}{found.mean:>9.1e}{mark}")
        verdict = "passed" if self.passed else "FAILED"
        return "\n".join([*lines, f"{verdict}: {self.images} pictures, tolerance {self.tolerance:g}"])


def compare(
    answers: Mapping[str, np.ndarray], evidence: Evidence, description: Description, tolerance: float
) -> Verification:
    """Compares the outputs of a served model with the expected ones.

    Args:
        answers: arrays by signature and output, such as "features/features".
        evidence: the pictures, their pixels, and the outputs of the model in memory. If it has no outputs, those of the
            signatures are compared with each other.
        description: description of the version.
        tolerance: the largest difference that is accepted.
    """
    found = [
        _difference(key, answers.get(key), expected) for key, expected in _expected(answers, evidence, description)
    ]
    return Verification(len(evidence), tolerance, tuple(found))


def of_task(answers: Mapping[str, np.ndarray], task: str, decoder: str) -> dict[str, np.ndarray]:
    """Returns the answers of one task of several, by the names that they have in a version with this task alone.

    The signature `decoder`, which returns what the network gets, is that of all tasks. What the task's own signature
    says has to be the same as what `serving_default` says for all: it is left out if not.
    """
    found = {key: values for key, values in answers.items() if key.startswith(f"{decoder}/")}
    for key, values in answers.items():
        signature, output = key.split("/")
        if output.startswith(f"{task}_"):
            found[f"{signature}/{output.removeprefix(f'{task}_')}"] = values
    alone = {key.removeprefix(f"{task}/"): values for key, values in answers.items() if key.startswith(f"{task}/")}
    for output, values in alone.items():
        known = found.get(f"serving_default/{output}")
        same = known is not None and (
            np.allclose(known, values, atol=1e-6) if values.dtype.kind == "f" else np.array_equal(known, values)
        )
        if not same:
            found.pop(f"serving_default/{output}", None)
    return found if alone else {}


def together(parts: Sequence[Verification]) -> Verification:
    """Combines the results for several sets of pictures into one. Picture indices count through all sets."""
    joined: dict[tuple[str, str], Difference] = {}
    before = 0
    for part in parts:
        for found in part.differences:
            key = (found.signature, found.output)
            moved = replace(found, worst=tuple(before + index for index in found.worst))
            other = joined.get(key, moved)
            larger = moved if not moved.largest <= other.largest else other
            share = part.images / (before + part.images)
            joined[key] = replace(larger, mean=other.mean + (found.mean - other.mean) * share)
        before += part.images
    return Verification(before, parts[0].tolerance, tuple(joined.values()))


def _expected(
    answers: Mapping[str, np.ndarray], evidence: Evidence, description: Description
) -> Sequence[tuple[str, np.ndarray]]:
    names, output = np.array([name.encode() for name in description.class_names]), description.output
    missing = np.zeros((len(evidence), *[1] * description.axes, len(names)), np.float32)
    kind = description.kind
    own = answers.get(f"predict_{kind.tensor}/{output}", missing)
    outputs = evidence.answers.get("outputs", own)
    if description.task.apart:
        return _expected_of_pixels(answers, evidence, description, outputs, own)
    expected = {f"{kind.decoder}/{kind.tensor}": evidence.pixels}
    small = ("predict_images_uint8",) if isinstance(kind, Images) else ()
    of_contents, parts = kind.by_part(tf.constant(outputs), tf.constant(evidence.encoded))
    expected |= {f"serving_default/{name}": value.numpy() for name, value in parts.items()}
    for signature in ("serving_default", f"predict_{kind.tensor}", *small):
        expected[f"{signature}/{output}"] = of_contents.numpy() if signature == "serving_default" else outputs
        said = answers.get(f"{signature}/{output}", expected[f"{signature}/{output}"])
        # class names must follow from the version's own probabilities: a rounding error in a close case may give
        # another class than the model in memory
        follows = description.task.answer(tf.constant(said), tf.constant(names))
        expected |= {f"{signature}/{name}": value.numpy() for name, value in follows.items() if name != output}
    if "features" in evidence.answers:
        expected["features/features"] = evidence.answers["features"]
    if "top_k/class_ids" in answers:
        best = answers["top_k/class_ids"]
        expected[f"top_k/{output}"] = -np.sort(-outputs, axis=1)[:, : best.shape[1]]
        expected["top_k/class_names"] = names[best]
    if "possible/possible" in answers:
        said = answers[f"possible/{output}"]
        expected[f"possible/{output}"] = outputs
        expected["possible/possible"] = possible_in(tf.constant(said), description).numpy()
        expected["possible/class_names"] = np.tile(names, (len(said), 1))
    if "known/known" in answers:
        said = answers[f"known/{output}"]
        follows = description.task.answer(tf.constant(said), tf.constant(names))
        expected |= {f"known/{name}": value.numpy() for name, value in follows.items() if name != output}
        expected[f"known/{output}"] = outputs
        expected["known/known"] = known_in(tf.constant(said), description).numpy()
    if "heat_maps" in evidence.answers:
        expected["explain/heat_maps"] = evidence.answers["heat_maps"]
        expected["explain/class_ids"] = outputs.argmax(axis=1)
        expected["explain/images"] = evidence.pixels
    return list(expected.items())


def _expected_of_pixels(
    answers: Mapping[str, np.ndarray],
    evidence: Evidence,
    description: Description,
    outputs: np.ndarray,
    own: np.ndarray,
) -> Sequence[tuple[str, np.ndarray]]:
    """Returns what a version with an answer for every pixel has to say.

    Args:
        answers: as in `compare`.
        evidence: as in `compare`.
        description: as in `compare`.
        outputs: of the model in memory, maybe of some rows and columns alone.
        own: of the version. Classes and masks must follow from its own numbers, as above.
    """
    kind, output = description.kind, description.output
    names = tf.constant([name.encode() for name in description.class_names])
    expected = {f"{kind.decoder}/{kind.tensor}": evidence.pixels, f"{output}/{output}": outputs}
    of_contents, parts = kind.by_part(
        tf.constant(answers.get(f"{output}/{output}", own)), tf.constant(evidence.encoded)
    )
    follows = {**parts, **description.task.answer(of_contents, names)}
    expected |= {f"serving_default/{name}": value.numpy() for name, value in follows.items() if name != output}
    for signature in (f"predict_{kind.tensor}", "predict_images_uint8"):
        said = answers.get(f"{signature}/{output}", own)
        expected[f"{signature}/class_ids"] = description.task.answer(tf.constant(said), names)["class_ids"].numpy()
        expected[f"{signature}/{output}"] = outputs
    return list(expected.items())


def _difference(key: str, answered: np.ndarray | None, expected: np.ndarray) -> Difference:
    signature, output = key.split("/")
    if answered is not None and answered.ndim == expected.ndim == 4 and answered.dtype.kind == "f":
        answered = thinned(answered, max(expected.shape[1:3]))
    if answered is None or answered.shape != expected.shape:
        return Difference(signature, output, float("nan"), float("nan"), ())
    if expected.dtype.kind == "f":
        others = tuple(range(1, expected.ndim))
        apart = np.abs(answered.astype(np.float64) - expected)
        apart /= np.maximum(1, np.abs(expected).max(axis=others, keepdims=True))
    else:
        apart = (answered != expected).astype(np.float64)
    by_picture = apart.reshape(len(apart), -1).max(axis=1)
    worst = np.argsort(-by_picture)[:_WORST]
    return Difference(signature, output, float(by_picture.max()), float(apart.mean()), tuple(map(int, worst)))


def _plain(number: float) -> float | None:
    """Returns None for not-a-number, which JSON does not have."""
    return None if np.isnan(number) else number
