"""RuntimeReport: what a version loses and gains in other runtimes, as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_transfer.runtimes.formats import Tolerance

SAVED_MODEL = "saved_model"


@dataclass(frozen=True)
class RuntimeResult:
    """What was measured of one file.

    Attributes:
        format: its name; "saved_model" for the version itself.
        megabytes: of all files that belong to it, in 10^6 bytes.
        milliseconds: for one picture, the median; None if that was not measured.
        largest: largest difference of any number to those of the SavedModel.
        mean: mean difference, see `mean_difference`.
        agreement: share of pictures with the same class, for several labels the F1 of those present; None for
            regression.
        accuracy: share of right classes or labels; None where they are not known.
        tolerance: what is accepted.
        images: number of pictures.
        worst: names of the pictures with the largest differences, and these.
        path: where the file is; None where it is not kept.
        error: why there is no file that answers; "" where there is one.
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
        """Whether it is within its tolerance; not-a-number is not."""
        near = self.largest <= self.tolerance.largest and self.mean <= self.tolerance.mean
        if self.agreement is None:
            return near
        return near and (self.agreement >= self.tolerance.agreement or (1 - self.agreement) * self.images <= 1 + 1e-9)

    @property
    def complaint(self) -> str:
        """Says how it failed, with the worst pictures."""
        if self.error:
            return self.error
        limits = [f"largest difference {self.largest:.1e} of at most {self.tolerance.largest:.1e}"]
        if math.isfinite(self.tolerance.mean):
            limits.append(f"mean {self.mean:.1e} of at most {self.tolerance.mean:.1e}")
        if self.agreement is not None and self.tolerance.agreement:
            limits.append(f"agreement {self.agreement:.3f} of at least {self.tolerance.agreement:g}")
        worst = ", ".join(f"{name} ({difference:.1e})" for name, difference in self.worst)
        return (
            f"Expected {self.format!r} to answer what the SavedModel answers. Received: {'; '.join(limits)}. "
            f"Worst pictures: {worst}. It was not published."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers and names, ready for JSON."""
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
        images: number of pictures measured on.
        calibration_images: number of other pictures that int8 files were calibrated with.
        rounding: how far the SavedModel's numbers move when its own graph is frozen and optimised anew by TensorFlow.
        results: of the SavedModel itself, then of each format.
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
        """Returns everything as plain numbers and names, ready for JSON."""
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
    """Writes what is no finite number as None, which JSON has."""
    return number if math.isfinite(number) else None
