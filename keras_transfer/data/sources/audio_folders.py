"""Sounds from class folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from math import floor
from pathlib import Path

from keras_transfer._arguments import Choice, Kind, takes
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.formats.naming import file_of, with_span
from keras_transfer.data.hearing import listen
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sound.files import OTHERS, WAV, find_sounds, is_sound
from keras_transfer.data.sound_data import SoundData
from keras_transfer.data.sources.listing import Wanted, examples_of_classes, files_of_classes, matches
from keras_transfer.data.sources.sound_form import SoundForm
from keras_transfer.data.splitting.splits import group_ids

SOUNDS = Wanted("sounds", (*WAV, *OTHERS), is_sound, find_sounds, "If they are sounds, convert them to WAV.")


@takes(windows=Choice("middle", "each"), groups=Kind(callable, "a function of a path") | None)
def from_audio_directory(
    directory: str | os.PathLike[str],
    *,
    seconds: float | None = None,
    sample_rate: int | None = None,
    windows: str = "middle",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    groups: Callable[[Path], Hashable] | None = None,
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> SoundData:
    """Reads sounds from class folders.

    The directory holds one folder for each class; or `train/` and optionally `val/` and `test/`, each with one folder
    for each class. WAV files of 8 to 32 bits or floats are decoded by TensorFlow; FLAC, OGG, MP3 and AIFF by soundfile
    (`pip install 'keras-transfer[sound]'`). Channels are averaged, and each sound is resampled to `sample_rate`. All
    files are decoded once: those that cannot be used are named in a warning and listed in `left_out`, and so are silent
    and overdriven ones, which are used.

    Args:
        directory: the folder to read.
        seconds: length of each example. By default one that 95 % of the files fit into, but at most 10 seconds.
        sample_rate: samples a second that the network gets. By default those that most files have, but at most 16,000.
        windows: what is taken of a file that is longer: "middle", or "each" window of this length as an example of its
            own, on the same side of the split; a last part of less than half of it is left.
        augment: augmentation of training sounds: a name in `kt.available("sound augmentation")`, a function of a
            waveform float32 `(samples,)`, or a list of these.
        batch_size: number of sounds in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1), if there is no `val/`.
        groups: maps the path of a file to its group, such as a speaker; sounds of one group are put on the same side of
            the split.
        exclude: patterns of file names, or of paths below `directory`, to leave out, such as "*_noisy.wav".
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if the directory does not exist, or an argument is unknown or out of range.
        DataError: if the directory or a class has no usable sound, there is only one class, a split has a class that
            `train/` does not have, or the groups cannot be split.
    """
    form = SoundForm(seconds, sample_rate, augment, batch_size, validation_split, seed)
    root = Path(directory).expanduser()
    parts, files = files_of_classes(root, SOUNDS)
    names = tuple(files["train"])
    everything = [path for by_class in files.values() for paths in by_class.values() for path in paths]
    left_out = [LeftOut(path, "is excluded") for path in everything if matches(path, root, exclude)]
    excluded = {item.path for item in left_out}
    heard, unusable = listen([path for path in everything if path not in excluded])
    left_out += unusable
    note_left_out(left_out, len(everything), root, SOUNDS.noun)
    length = form.length(heard.values())
    pieces = {
        path: _windows(path, each.seconds, length) if windows == "each" else [path] for path, each in heard.items()
    }
    cut = {
        split: {name: [piece for path in paths for piece in pieces.get(path, [])] for name, paths in by_class.items()}
        for split, by_class in files.items()
    }
    splits = examples_of_classes(cut, names, parts, SOUNDS.noun)
    if windows == "each" or groups is not None:
        splits = _in_groups(splits, groups or file_of)
    return form.data(splits, names, heard, left_out, root)


def _windows(path: Path, length: float, seconds: float) -> list[Path]:
    """Names the windows of a file; a short one is a single window."""
    whole = max(1, floor(length / seconds) + (length % seconds >= seconds / 2))
    if length <= seconds:
        return [path]
    return [with_span(path, start * seconds, min((start + 1) * seconds, length)) for start in range(whole)]


def _in_groups(splits: Mapping[str, Examples], groups: Callable[[Path], Hashable]) -> dict[str, Examples]:
    if "validation" in splits:
        return dict(splits)
    keys = [groups(file_of(item)) for item in splits["train"].items]
    return {**splits, "train": replace(splits["train"], groups=group_ids(keys))}
