"""What the demos say on the way, and the folders they draw."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._folders import writable_folder
from keras_transfer.serving import load

_MARKER = ".drawn_by_keras_transfer"
_WIDTH = 40  # of a bar, in letters

Say = Callable[[str], None]
Draw = Callable[[int, np.random.Generator], bytes]


def sayer(quiet: bool) -> Say:
    """Returns a function that prints at once, or does nothing."""
    return (lambda text: None) if quiet else partial(print, flush=True)


def say_medians(say: Say, medians: Mapping[str, float], meanings: Mapping[str, str]) -> None:
    """Draws a bar for each way to train, with what the way is."""
    say("")
    for name, what in meanings.items():
        say(f"   {name:<14}{'█' * round(_WIDTH * medians[name]):<{_WIDTH + 1}}{medians[name]:.3f}  {what}")


def say_answers(
    say: Say, version: Path, asked: Sequence[Path | str], truth: Sequence[str], root: Path | None = None
) -> None:
    """Shows what an exported version answers for some files, or texts, and whether it is right."""
    shown = [str(each.relative_to(root)) if root and isinstance(each, Path) else str(each) for each in asked]
    width = max(map(len, shown))
    for name, label, prediction in zip(shown, truth, load(version).predict(list(asked)), strict=True):
        say(f"   {name:<{width}} {'✓' if prediction.class_name == label else '✗'} {prediction}")


def draw_classes(
    folder: Path, names: Sequence[str], of_each: Mapping[str, int], seed: int, suffix: str, draw: Draw
) -> None:
    """Writes class folders of drawn files for each split. Those of "test" do not depend on the seed.

    Args:
        folder: that takes the place of an earlier one.
        names: of the classes.
        of_each: files of each class, by split.
        seed: of the drawings.
        suffix: of the files.
        draw: returns the content of a file of a class, whose number it takes, by a generator of random numbers.

    Raises:
        InputError: if the folder exists and was not drawn by a demo.
        DiskError: if it cannot be written.
    """
    with _drawn(folder) as staging:
        for split, count in of_each.items():
            for index, name in enumerate(names):
                rng = np.random.default_rng([0 if split == "test" else seed + 1, index, len(split)])
                target = staging / split / name
                target.mkdir(parents=True)
                for number in range(count):
                    (target / f"{name}{number:02}{suffix}").write_bytes(draw(index, rng))


@contextmanager
def _drawn(folder: Path) -> Iterator[Path]:
    """Gives a folder to draw into, which then takes the place of `folder`."""
    if folder.exists() and not (folder / _MARKER).is_file():
        raise InputError(
            f"Expected a folder the demo may write to. Received: {str(folder)!r}, which holds your own files."
        )
    staging = writable_folder(folder.parent)
    (staging / _MARKER).write_text("Drawn by keras_transfer's demo, which may replace this folder.\n")
    try:
        yield staging
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
