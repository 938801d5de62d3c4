"""The doctor of sounds: files that cannot be used, copies, silence, overdriven and very short recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from keras_transfer.data.formats.naming import file_of
from keras_transfer.data.hearing import Heard, listen
from keras_transfer.data.inspection.checkup import Checkup
from keras_transfer.data.inspection.finding import NOTE, SERIOUS, WARNING, Finding, by_severity
from keras_transfer.data.inspection.findings import SeenImage, class_troubles, copies, counts_of, equal_files
from keras_transfer.data.sound_data import SoundData
from keras_transfer.data.sources.sound_form import CLIPPED, SILENT

_SHORT = 0.25  # share of the usual length


def check_sounds(data: SoundData) -> Checkup:
    """Listens to every file of a set, and reports what its owner should know; see `check`."""
    seen = list(_seen(data))
    heard = listen([sound.path for sound in seen])[0]
    findings = [
        *(Finding("unusable", SERIOUS, item.reason, (item.path,)) for item in data.left_out),
        *copies(seen, list(equal_files(seen)), "sound", "byte for byte"),
        *class_troubles(seen, "sounds"),
        *_of_loudness(heard, min(data.seconds, float(np.median([each.seconds for each in heard.values()])))),
        *_of_rates(heard, data.sample_rate),
    ]
    lengths = np.array([each.seconds for each in heard.values()])
    return Checkup(
        found=len(seen) + len(data.left_out),
        left_out=tuple(data.left_out),
        counts=counts_of(seen),
        sizes={"seconds": (float(lengths.min()), float(np.median(lengths)), float(lengths.max()))},
        findings=by_severity(findings),
        root=data.root,
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
