"""The doctor of sounds: files that cannot be used, copies, silence, overdriven and very short recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_transfer.data.faults import LeftOut
from keras_transfer.data.formats.naming import file_of
from keras_transfer.data.hearing import Heard, listen
from keras_transfer.data.inspection.checkup import Checkup
from keras_transfer.data.inspection.finding import NOTE, SERIOUS, WARNING, Finding, by_severity
from keras_transfer.data.inspection.findings import SeenImage, class_troubles, copies, counts_of, equal_files
from keras_transfer.data.sound_data import SoundData
from keras_transfer.data.sources.audio_folders import SOUNDS
from keras_transfer.data.sources.listing import files_of_classes
from keras_transfer.data.sources.sound_form import CLIPPED, SILENT

_VALUES = "values"  # what sounds with values to estimate have in place of a class
_SHORT = 0.25  # share of the usual length


def check_sounds(data: SoundData) -> Checkup:
    """Listens to every file of a set, and reports what its owner should know; see `check`."""
    return _checked(list(_seen(data)), data.root, data.left_out, data.seconds, data.sample_rate)


def check_sound_folder(root: Path) -> Checkup:
    """Listens to every file below class folders, or `train/`, `val/` and `test/` of them, before any split is made."""
    _, files = files_of_classes(root, SOUNDS)
    seen = [
        SeenImage(path, split, name, str(path))
        for split, by_class in files.items()
        for name, paths in by_class.items()
        for path in paths
    ]
    return _checked(seen, root)


def _checked(
    seen: Sequence[SeenImage],
    root: Path | None,
    left_out: Sequence[LeftOut] = (),
    seconds: float | None = None,
    sample_rate: int | None = None,
) -> Checkup:
    """Listens to files once.

    Args:
        seen: the files.
        root: their folder.
        left_out: further ones that are known to be unusable.
        seconds: length that is wanted; None for the usual one.
        sample_rate: that is wanted; None for the one that most have.
    """
    heard, unusable = listen([sound.path for sound in seen])
    seen, left_out = [sound for sound in seen if sound.path in heard], [*left_out, *unusable]
    lengths = np.array([each.seconds for each in heard.values()] or [0.0])
    usual, rates = float(np.median(lengths)), Counter(each.rate for each in heard.values())
    values = bool(seen) and all(sound.class_name == _VALUES for sound in seen)
    findings = [
        *(Finding("unusable", SERIOUS, item.reason, (item.path,)) for item in left_out),
        *copies(seen, list(equal_files(seen)), "sound", "byte for byte"),
        *(() if values else class_troubles(seen, "sounds")),
        *_of_loudness(heard, min(seconds or usual, usual)),
        *_of_rates(heard, sample_rate or max(rates, key=rates.__getitem__, default=0)),
    ]
    return Checkup(
        found=len(seen) + len(left_out),
        left_out=tuple(left_out),
        counts=counts_of(seen),
        sizes={"seconds": (float(lengths.min()), usual, float(lengths.max()))},
        findings=by_severity(findings),
        root=root,
        noun="sounds",
    )


def _seen(data: SoundData) -> Iterator[SeenImage]:
    """Yields each file once, also where several windows of it are used; of several labels the first counts."""
    known: set[Path] = set()
    for split, examples in data.splits.items():
        for item, label in zip(examples.items, examples.labels, strict=True):
            path = file_of(item)
            if path not in known:
                known.add(path)
                name = _VALUES
                if data.task.needs_classes:
                    name = data.class_names[int(label if examples.labels.ndim == 1 else label.argmax())]
                yield SeenImage(path, split, name, str(path))


def _of_loudness(heard: Mapping[Path, Heard], usual: float) -> Iterator[Finding]:
    for path, each in heard.items():
        if each.level < SILENT:
            yield Finding("silent", WARNING, "nothing is to be heard", (path,))
        if each.clipped > CLIPPED:
            yield Finding("overdriven", WARNING, f"{each.clipped:.0%} of its samples are cut off", (path,))
        if each.seconds < _SHORT * usual:
            said = f"lasts {each.seconds:.2g} seconds, most others {usual:.2g} or more"
            yield Finding("short", NOTE, said, (path,))


def _of_rates(heard: Mapping[Path, Heard], wanted: int) -> Iterator[Finding]:
    low = tuple(path for path, each in heard.items() if each.rate < wanted)
    if low:
        said = f"{len(low)} have fewer samples a second than {wanted:,}: high pitches are missing in them"
        yield Finding("lower rate", NOTE, said, low)
