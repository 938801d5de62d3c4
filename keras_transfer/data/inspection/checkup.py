"""Checkup: what the doctor found in a set of images, as text, as numbers, as a page and as a quarantine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_transfer._folders import write_whole
from keras_transfer.data.faults import LeftOut, below
from keras_transfer.data.inspection.finding import COPIES_IN_CLASSES, COPIES_IN_SPLITS, NOTE, SERIOUS, WARNING, Finding
from keras_transfer.data.inspection.page import page
from keras_transfer.data.splitting.lists import save_quarantine

_SHOWN = 10  # findings of a kind in the text


@dataclass(frozen=True, eq=False)
class Checkup:
    """The result of `kt.data.check`. `print(checkup)` shows it as text; Jupyter shows its page.

    Attributes:
        found: number of images that were looked at.
        left_out: those that cannot be used, and why; `used` and these add up to `found`.
        counts: number of usable images by split and class.
        sizes: smallest, median and largest height, width (pixels) and aspect (width over height) of the usable ones.
        findings: the serious ones first.
        root: folder of the files; None for images from elsewhere.
        noun: what they are called: "images" or "texts".
        counted: what `counts` counts, where it is not these; a mask may hold several classes.
    """

    found: int
    left_out: tuple[LeftOut, ...]
    counts: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, tuple[float, float, float]]
    findings: tuple[Finding, ...]
    root: Path | None = None
    noun: str = "images"
    counted: str = ""

    @property
    def used(self) -> int:
        """Number of images that can be used."""
        return self.found - len(self.left_out)

    @property
    def serious(self) -> bool:
        """Whether anything was found that makes training or its result wrong."""
        return any(finding.severity == SERIOUS for finding in self.findings)

    def by_kind(self) -> dict[tuple[str, str], list[Finding]]:
        """Returns the findings by severity and kind, in their order."""
        kinds: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault((finding.severity, finding.kind), []).append(finding)
        return kinds

    def quarantine(self) -> dict[Path, str]:
        """Returns the files that should not be used, and why: a split without copies, and labels without doubt.

        Of copies in two splits the one in training stays; of copies in two classes none, since nobody knows the class.
        """
        reasons = {item.path: item.reason for item in self.left_out}
        for finding in self.findings:
            if finding.kind == COPIES_IN_CLASSES:
                reasons |= {path: finding.message for path in finding.paths if path not in reasons}
            elif finding.kind == COPIES_IN_SPLITS:
                reasons |= {path: finding.message for path in finding.paths[1:] if path not in reasons}
        return reasons

    def save_quarantine(self, file: str | os.PathLike[str]) -> Path:
        """Writes the quarantine as a CSV file, which `from_directory(..., quarantine=file)` honours.

        Raises:
            InputError: if it cannot be written.
        """
        return save_quarantine(self.quarantine(), self.root, file)

    def save_page(self, file: str | os.PathLike[str]) -> Path:
        """Writes the page with thumbnails as one HTML file.

        Raises:
            InputError: if it cannot be written.
        """
        write_whole(Path(file), self._repr_html_())
        return Path(file)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers, lists and names, ready for JSON."""
        return {
            "found": self.found,
            "used": self.used,
            "serious": self.serious,
            "left_out": [{"image": below(item.path, self.root), "reason": item.reason} for item in self.left_out],
            "counts": {split: dict(by_class) for split, by_class in self.counts.items()},
            "sizes": {name: list(values) for name, values in self.sizes.items()},
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "message": finding.message,
                    "images": [below(path, self.root) for path in finding.paths],
                }
                for finding in self.findings
            ],
        }

    def __str__(self) -> str:
        lines = [f"{self.found} {self.noun} found, {self.used} usable, {len(self.left_out)} left out"]
        for split, by_class in self.counts.items():
            named = ", ".join(f"{name} {count}" for name, count in list(by_class.items())[:8])
            more = ", ..." if len(by_class) > 8 else ""
            lines.append(f"  {split:<11}{sum(by_class.values()):>6} {self.counted or self.noun}: {named}{more}")
        for name, (low, middle, high) in self.sizes.items():
            lines.append(f"  {name:<11}{middle:>6.4g} median, {low:.4g} to {high:.4g}")
        for (severity, kind), findings in self.by_kind().items():
            lines.append(f"{severity}: {kind} ({len(findings)})")
            for finding in findings[:_SHOWN]:
                files = " = ".join(below(path, self.root) for path in finding.paths[:4])
                more = f" and {len(finding.paths) - 4} more" if len(finding.paths) > 4 else ""
                lines.append(f"  {files}{more}: {finding.message}" if files else f"  {finding.message}")
            if len(findings) > _SHOWN:
                lines.append(f"  and {len(findings) - _SHOWN} more")
        counted = Counter(finding.severity for finding in self.findings)
        summary = ", ".join(f"{counted[each]} {each}" for each in (SERIOUS, WARNING, NOTE) if counted[each])
        return "\n".join([*lines, summary or "nothing to complain of"])

    def _repr_html_(self) -> str:
        numbers = {"found": self.found, "usable": self.used, "left out": len(self.left_out)}
        return page(self.root, numbers, self.by_kind(), self.counts, self.sizes)
