"""What a user should know of files that were found: which are not used, and which look out of place."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from keras_transfer._checks import DataWarning
from keras_transfer.data.faults import LeftOut, below
from keras_transfer.data.formats.naming import format_named
from keras_transfer.data.labelled_data import LabelledData

_SHOWN = 20
_ENOUGH = 20  # images from which on a single one of another format is odd


def note_left_out(left_out: Sequence[LeftOut], count: int, root: Path | None, noun: str = "images") -> None:
    """Warns of files that are not used, of `count` that were found."""
    if left_out:
        shown = "".join(f"\n  {below(item.path, root)}: {item.reason}" for item in left_out[:_SHOWN])
        more = f"\n  and {len(left_out) - _SHOWN} more, see left_out" if len(left_out) > _SHOWN else ""
        warnings.warn(f"{len(left_out)} of {count} {noun} are left out:{shown}{more}", DataWarning, stacklevel=4)


def note_odd_formats(paths: Sequence[Path], root: Path) -> None:
    """Warns of a file that is the only one of its format."""
    for path, kind in odd_formats(paths):
        warnings.warn(
            f"{below(path, root)} is the only {kind} among {len(paths)} images and may be no picture of its "
            f"class. It is used; look at it, or leave it out with exclude=[{path.name!r}].",
            DataWarning,
            stacklevel=4,
        )


def note_changed(data: LabelledData) -> None:
    """Warns of files that passes had to do without, and of those that are not what they were when they were listed."""
    said = []
    replaced = data.replaced()
    if replaced:
        times, each = (
            sum(file.times for file in replaced),
            "".join(f"\n  {below(file.path, data.root)}: {file.reason}" for file in replaced[:_SHOWN]),
        )
        more = f"\n  and {len(replaced) - _SHOWN} more" if len(replaced) > _SHOWN else ""
        said.append(
            f"{len(replaced)} images could not be read when their turn came, {times} times in all. Others took their "
            f"places:{each}{more}"
        )
    changed = data.changed_files()
    if changed:
        named = ", ".join(below(path, data.root) for path in changed[:10])
        said.append(
            f"{len(changed)} images were changed or deleted while they were in use, or their permissions or links "
            f"were: {named}{', ...' if len(changed) > 10 else ''}."
        )
    if said:
        warnings.warn("\n".join(said), DataWarning, stacklevel=4)


def odd_formats(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Returns the files that are the only ones of their format, which is named, among many."""
    kinds = [(path, format_named(path) or "other file") for path in paths]
    formats = Counter(kind for _, kind in kinds)
    return [(path, kind) for path, kind in kinds if formats[kind] == 1 and len(paths) >= _ENOUGH]
