"""Which files are images, found before training: unreadable and mislabelled ones are listed by name and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import track

from keras_transfer.data.faults import AT_FIRST, LeftOut, content_of, why_mislabelled, why_undecodable
from keras_transfer.data.formats.naming import format_named, named_below
from keras_transfer.data.formats.translating import is_foreign, reader
from keras_transfer.data.known_files import KnownFiles
from keras_transfer.data.pipelines.fetching import fetched
from keras_transfer.data.pipelines.options import mapped
from keras_transfer.data.pipelines.order import CHUNK, in_turn
from keras_transfer.data.pixels.images import decode

Look = Callable[[tf.Tensor, tf.Tensor], Any]


_PROGRESS_FROM = 2000  # fewer files are read in about a second


def find_images(folder: Path) -> list[Path]:
    """Returns what is named like an image below a folder, hidden names aside, in the order of the names."""
    return named_below(folder, format_named)


def check_files(paths: Sequence[Path], side: int) -> list[LeftOut]:
    """Decodes every file as training will and returns those that cannot be used.

    A file is left out if it cannot be read, if its content is of another format than its name says, or if TensorFlow
    cannot decode it to the end. Nothing is moved or deleted. Files that could be decoded and have not changed since are
    not looked at again.

    Args:
        paths: of the files.
        side: the longer side of the size wanted, in pixels.
    """
    native = [path for path in paths if not is_foreign(path)]
    known = KnownFiles(native, side)
    unknown = [path for path in paths if path not in known]
    left_out = examine_files(unknown, side, _corner)[0] if unknown else []
    bad = {item.path for item in left_out}
    known.remember([path for path in native if path not in bad])
    return left_out


def examine_files(paths: Sequence[Path], side: int, look: Look) -> tuple[list[LeftOut], dict[Path, Any]]:
    """Finds the files that cannot be used, as `check_files` does, and looks at the others.

    Args:
        paths: of the files.
        side: the longer side of the size wanted, in pixels.
        look: what to keep, of the bytes and the decoded image.

    Returns:
        The files that cannot be used, and what `look` returned for each other one.
    """
    reasons = {path: why_mislabelled(path) for path in paths}
    candidates = [path for path in paths if reasons[path] is None]
    seen = {candidates[index]: found for index, found in decodable([*map(str, candidates)], side, False, look)}
    for path in candidates:
        if path not in seen:
            reasons[path] = _why_passed_over(partial(content_of, path), side, look)
    return [LeftOut(path, reason) for path, reason in reasons.items() if reason is not None], seen


def check_encoded(contents: Sequence[bytes], names: Sequence[str], side: int) -> list[tuple[int, LeftOut]]:
    """Finds the files that cannot be used, as `check_files` does, of those whose bytes are in memory.

    Args:
        contents: bytes of the files.
        names: of the files, to name them by.
        side: the longer side of the size wanted, in pixels.

    Returns:
        The index of each file that cannot be used, and why.
    """
    good = {index for index, _ in decodable(contents, side, True, _corner)}
    bad = [index for index in range(len(contents)) if index not in good]
    reasons = [_why_passed_over(partial(tf.constant, contents[index]), side, _corner) for index in bad]
    return [(index, LeftOut(Path(names[index]), reason)) for index, reason in zip(bad, reasons, strict=True)]


def decodable(
    items: Sequence[Any] | np.ndarray, side: int, encoded: bool, look: Look, *, progress: bool = True
) -> Iterator[tuple[int, Any]]:
    """Decodes files in parallel, and yields for each that can be decoded, in any order.

    Args:
        items: paths of files, or their bytes.
        side: the longer side of the size wanted, in pixels.
        encoded: the items are bytes.
        look: what to keep, of the bytes and the decoded image; a function of a module, since its graph is kept.
        progress: show a progress bar where there are many.

    Yields:
        The index of an item, and what `look` returned for it, as NumPy arrays.
    """
    if not len(items):
        return

    read = tf.identity if encoded else reader(items)
    look_at = _look_at(read, look) if read in (tf.identity, tf.io.read_file) else _with_reader(read, look)

    def decoded(item: tf.Tensor, index: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, Any]:
        # something of the image must be returned, because tf.data drops work that nothing needs
        return index, look_at(item, tf.constant(side))

    rows = fetched(in_turn(len(items)), [np.array(items, dtype=object)])
    readable: Iterable[tuple[np.ndarray, Any]] = _one_by_one(mapped(rows, decoded, in_order=False).ignore_errors())
    if progress and len(items) >= _PROGRESS_FROM:
        readable = track(readable, "checking images", total=len(items), transient=True)
    for index, seen in readable:
        yield int(index), seen


def _one_by_one(found: tf.data.Dataset) -> Iterator[tuple[np.ndarray, Any]]:
    """Yields elements as NumPy arrays. Those of one shape come from TensorFlow in batches, in half the time."""
    if not all(spec.shape.is_fully_defined() for spec in tf.nest.flatten(found.element_spec)):
        yield from found.as_numpy_iterator()
        return
    for batch in found.batch(CHUNK).as_numpy_iterator():
        rows = zip(*tf.nest.flatten(batch), strict=True)
        yield from (tf.nest.pack_sequence_as(batch, row) for row in rows)


@cache  # traced once: for a few files it takes as long as reading them
def _look_at(read: Callable[[tf.Tensor], tf.Tensor], look: Look) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    return tf.function(
        _with_reader(read, look),
        input_signature=[tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int32)],
        autograph=False,
    )


def _with_reader(read: Callable[[tf.Tensor], tf.Tensor], look: Look) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    def look_at(item: tf.Tensor, side: tf.Tensor) -> Any:
        content = read(item)
        return look(content, decode(content, side))

    return look_at


def _why_passed_over(read: Callable[[], tf.Tensor], side: int, look: Look) -> str:
    """Says why an image was passed over; raises what `look` raises, which has not to do with the image."""
    reason = why_undecodable(read, side)
    if reason is None:
        content = read()
        look(content, decode(content, side))
    return reason or AT_FIRST


def _corner(content: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    return image[0, 0]
