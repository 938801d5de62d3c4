"""RuntimeReport: a table of size, speed, differences and accuracy of a version in other runtimes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_transfer.runtimes.formats import Tolerance

SAVED_MODEL = "saved_model"


@dataclass(frozen=True)
class RuntimeResult:
    """The measurements of one file.

    Attributes:
        format: name of its format; "saved_model" for the version itself.
        megabytes: size of all its files together, in 10^6 bytes.
        milliseconds: median time for one picture; None if it was not measured.
        largest: the largest difference of any number from that of the SavedModel.
        mean: the mean difference, as defined in `Tolerance`.
        agreement: share of pictures with the same class as in the SavedModel, in [0, 1]; for several labels the F1 of
            the labels present; None for regression.
        accuracy: share of correct classes or labels, in [0, 1]; None if there are no labels.
        tolerance: the differences that are accepted.
        images: number of pictures.
        worst: pairs of the name of a picture and its difference, the largest first.
        path: the file; None if it was not kept.
        error: why the file could not be written or run; "" if it could.
    """

    format: str
    megabytes: float
    milliseconds: float | None
    largest: float
    mean: float
    agreement: float | None
    accuracy: float | None
    tolerance: Tolerance
    images: int
    worst: tuple[tuple[str, float], ...] = ()
    path: Path | None = None
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether all differences are within the tolerance. Not-a-number is not."""
        near = self.largest <= self.tolerance.largest and self.mean <= self.tolerance.mean
        if self.agreement is None:
            return near
        return near and (self.agreement >= self.tolerance.agreement or (1 - self.agreement) * self.images <= 1 + 1e-9)

    @property
    def complaint(self) -> str:
        """An error message with the error, or with the differences, their limits and the worst pictures."""
        if self.error:
            return self.error
        limits = [f"largest difference {self.largest:.1e} of at most {self.tolerance.largest:.1e}"]
        if math.isfinite(self.tolerance.mean):
            limits.append(f"mean {self.mean:.1e} of at most {self.tolerance.mean:.1e}")
        if self.agreement is not None and self.tolerance.agreement:
            limits.append(f"agreement {self.agreement:.3f} of at least {self.tolerance.agreement:g}")
        worst = ", ".join(f"{name} ({difference:.1e})" for name, difference in self.worst)
        return (
            f"Expected {self.format!r} to give the SavedModel's outputs. Received: {'; '.join(limits)}. "
            f"Worst pictures: {worst}. It was not published."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as plain numbers and names that can be written as JSON."""
        return {
            "format": self.format,
            "path": None if self.path is None else str(self.path),
            "passed": self.passed,
            "error": self.error or None,
            "megabytes": _plain(self.megabytes),
            "milliseconds": self.milliseconds,
            "largest_difference": _plain(self.largest),
            "mean_difference": _plain(self.mean),
            "agreement": self.agreement,
            "accuracy": self.accuracy,
            "tolerance": {
                "largest": self.tolerance.largest,
                "mean": _plain(self.tolerance.mean),
                "agreement": self.tolerance.agreement,
            },
            "worst": {name: _plain(difference) for name, difference in self.worst},
        }


@dataclass(frozen=True)
class RuntimeReport:
    """The result of `compare_runtimes`; prints as a table.

    Attributes:
        version: folder of the version.
        images: number of pictures that were measured on.
        calibration_images: number of other pictures, with which int8 files were calibrated.
        rounding: the largest difference that freezing and optimising the SavedModel's graph in TensorFlow makes.
        results: the result of the SavedModel itself, then one for each format.
    """

    version: Path
    images: int
    calibration_images: int
    rounding: float
    results: tuple[RuntimeResult, ...]

    @property
    def passed(self) -> bool:
        """Whether all formats are within their tolerances."""
        return all(result.passed for result in self.results)

    def __getitem__(self, format: str) -> RuntimeResult:
        return {result.format: result for result in self.results}[format]

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as plain numbers and names that can be written as JSON."""
        return {
            "version": str(self.version),
            "images": self.images,
            "calibration_images": self.calibration_images,
            "rounding": _plain(self.rounding),
            "passed": self.passed,
            "results": [result.to_dict() for result in self.results],
        }

    def __str__(self) -> str:
        header = ("runtime", "MB", "ms/image", "largest", "mean", "agreement", "accuracy", "within")
        rows = [header, *(self._row(result) for result in self.results)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in pairs)
            for pairs in (enumerate(zip(row, widths, strict=True)) for row in rows)
        ]
        calibrated = f", calibrated with {self.calibration_images} others" if self.calibration_images else ""
        return "\n".join(
            [
                *map(str.rstrip, lines),
                f"{self.images} pictures{calibrated}; differences to the SavedModel, whose own numbers move by "
                f"{self.rounding:.1e} when its graph is frozen",
            ]
        )

    @staticmethod
    def _row(result: RuntimeResult) -> tuple[str, ...]:
        ours = result.format == SAVED_MODEL
        return (
            result.format,
            "" if result.error else f"{result.megabytes:.2f}",
            "" if result.milliseconds is None else f"{result.milliseconds:.2f}",
            "" if ours or result.error else f"{result.largest:.1e}",
            "" if ours or result.error else f"{result.mean:.1e}",
            "" if ours or result.agreement is None else f"{result.agreement:.3f}",
            "" if result.accuracy is None else f"{result.accuracy:.3f}",
            "" if ours else "error" if result.error else "yes" if result.passed else "NO",
        )


def _plain(number: float) -> float | None:
    """Returns None for infinity and not-a-number, which JSON does not have."""
    return number if math.isfinite(number) else None
