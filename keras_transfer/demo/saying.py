"""What the demos say on the way, and the folders they draw."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from keras_transfer._checks import InputError
from keras_transfer._folders import writable_folder

_MARKER = ".drawn_by_keras_transfer"
_WIDTH = 40  # of a bar, in letters

Say = Callable[[str], None]


def sayer(quiet: bool) -> Say:
    """Returns a function that prints at once, or does nothing."""
    return (lambda text: None) if quiet else partial(print, flush=True)


def say_medians(say: Say, medians: Mapping[str, float], meanings: Mapping[str, str]) -> None:
    """Draws a bar for each way to train, with what the way is."""
    say("")
    for name, what in meanings.items():
        say(f"   {name:<14}{'█' * round(_WIDTH * medians[name]):<{_WIDTH + 1}}{medians[name]:.3f}  {what}")


@contextmanager
def drawn(folder: Path) -> Iterator[Path]:
    """Gives a folder to draw into, which then takes the place of `folder`.

    Raises:
        InputError: if the folder exists and was not drawn by a demo.
        DiskError: if it cannot be written.
    """
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
