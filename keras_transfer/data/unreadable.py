"""Unreadable images: those that passes had to do without, counted and named with the reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock

import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import AT_FIRST, content_of, printable, why_mislabelled, why_undecodable
from keras_transfer.data.files import decodable
from keras_transfer.data.kinds import Images
from keras_transfer.data.pipelines.order import Order
from keras_transfer.data.pipelines.reading import pixels_of
from keras_transfer.data.pipelines.substitutes import Substitutes

_log = logging.getLogger("keras_transfer")


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read in some passes, why at the first time, and in how many."""

    path: Path
    reason: str
    times: int


class Replaced:
    """Counts the images that could not be read and were replaced by others, of all passes over a data set."""

    def __init__(self) -> None:
        self._files: dict[str, Unreadable] = {}
        self._lock = Lock()  # training and validation images are read at the same time

    def taken(self) -> list[Unreadable]:
        """Returns the files since it was last asked, in the order in which they were missed, and forgets them."""
        with self._lock:
            found, self._files = list(self._files.values()), {}
        return found

    def substitutes(self, order: Order, examples: Examples, kind: Images) -> Substitutes:
        """Returns what replaces unreadable files in passes over examples, and counts them here."""

        def first_readable() -> int:
            side = max(kind.image_size)
            found = (index for index, _ in decodable(examples.items, side, False, _size, progress=False))
            readable = next((index for index in found if not why_mislabelled(Path(examples.items[index]))), None)
            if readable is None:
                raise DataError(
                    f"Expected images that can be read. Received: {len(examples)} files, of which none can be read "
                    f"any more, {printable(examples.items[0])} among them. Are they still where they were?"
                )
            pixels_of(tf.constant(str(examples.items[readable])), examples, kind)
            return readable

        def examine(index: int) -> None:
            path = str(examples.items[index])
            reason = why_mislabelled(Path(path)) or why_undecodable(partial(content_of, path), max(kind.image_size))
            if reason is None:
                pixels_of(tf.constant(path), examples, kind)  # raises what is not the file's fault
            self._note(path, reason or AT_FIRST)

        return Substitutes(order, first_readable, examine)

    def _note(self, path: str, reason: str) -> None:
        with self._lock:
            known = self._files.get(path)
            self._files[path] = (
                Unreadable(Path(path), reason, 1) if known is None else replace(known, times=known.times + 1)
            )
        if known is None:
            _log.warning("%s %s; another image takes its place.", printable(path), reason)


def _size(content: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    return tf.shape(image)
