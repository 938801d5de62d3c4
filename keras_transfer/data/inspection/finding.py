"""Finding: something in a set of images that its owner should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SERIOUS, WARNING, NOTE = _ORDER = "serious", "warning", "note"


@dataclass(frozen=True)
class Finding:
    """Something in a set of images that its owner should know.

    Attributes:
        kind: such as "unreadable" or "copies in two splits".
        severity: "serious", for what makes training or its result wrong; "warning", for what may; or "note".
        message: in words.
        paths: of the files it is about, copies of one picture together.
    """

    kind: str
    severity: str
    message: str
    paths: tuple[Path, ...] = ()


COPIES_IN_SPLITS = "copies in two splits"
COPIES_IN_CLASSES = "copies in two classes"


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Returns findings with the serious ones first."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))
