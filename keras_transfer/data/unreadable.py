"""Unreadable files: those that passes had to do without, counted and named with the reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import AT_FIRST, LeftOut, printable
from keras_transfer.data.kinds import Kind
from keras_transfer.data.pipelines.order import Order
from keras_transfer.data.pipelines.reading import example_of
from keras_transfer.data.pipelines.substitutes import Substitutes

Faults = Callable[[Sequence[Path]], list[LeftOut]]

_log = logging.getLogger("keras_transfer")


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be read in some passes, why at the first time, and in how many."""

    path: Path
    reason: str
    times: int


class Replaced:
    """Counts the examples that could not be read and were replaced by others, of all passes over a data set."""

    def __init__(self) -> None:
        self._files: dict[str, Unreadable] = {}
        self._lock = Lock()  # training and validation images are read at the same time

    def taken(self) -> list[Unreadable]:
        """Returns the files since it was last asked, in the order in which they were missed, and forgets them."""
        with self._lock:
            found, self._files = list(self._files.values()), {}
        return found

    def substitutes(self, order: Order, examples: Examples, kind: Kind, faults: Faults) -> Substitutes:
        """Returns what replaces unreadable files in passes over examples, and counts them here.

        Args:
            order: of a pass.
            examples: that are read.
            kind: of which they are.
            faults: returns those of some files that cannot be used.
        """

        def first_readable() -> int:
            # one by one: the first is good as a rule
            good = (index for index, item in enumerate(examples.items) if not faults([Path(item)]))
            readable = next(good, None)
            if readable is None:
                raise DataError(
                    f"Expected {kind.noun} that can be read. Received: {len(examples)} files, of which none can be "
                    f"read any more, {printable(examples.items[0])} among them. Are they still where they were?"
                )
            example_of(tf.constant(str(examples.items[readable])), examples, kind)
            return readable

        def examine(index: int) -> None:
            path = str(examples.items[index])
            found = faults([Path(path)])
            if not found:
                example_of(tf.constant(path), examples, kind)  # raises what is not the file's fault
            self._note(path, found[0].reason if found else AT_FIRST, kind.noun.removesuffix("s"))

        return Substitutes(order, first_readable, examine)

    def _note(self, path: str, reason: str, called: str) -> None:
        with self._lock:
            known = self._files.get(path)
            self._files[path] = (
                Unreadable(Path(path), reason, 1) if known is None else replace(known, times=known.times + 1)
            )
        if known is None:
            _log.warning("%s %s; another %s takes its place.", printable(path), reason, called)
