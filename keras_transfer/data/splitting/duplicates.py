"""The same picture twice: equal bytes, or pictures that look the same after they were resized or compressed anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
import tensorflow as tf

from keras_transfer.data.files import decodable

HASH_SIDE = 16  # a perceptual hash has 16 x 16 bits
NEAR = 32  # bits in which near-duplicates may differ; unrelated pictures differ in about 128
_GREY_SIDE = 4 * HASH_SIDE
_FLAT = 2.0  # standard deviation of grey levels below which a picture has nothing to compare
_MEGABYTES = 256  # of the distances that are computed at once


def grey_copy(image: tf.Tensor) -> tf.Tensor:
    """Returns a small grey copy uint8 `(64, 64)` of an image uint8 `(height, width, 3)`, from which it is known."""
    grey = tf.image.resize(tf.image.rgb_to_grayscale(image), (_GREY_SIDE, _GREY_SIDE), antialias=True)
    return tf.cast(tf.round(grey[..., 0]), tf.uint8)


def perceptual_hash(grey: np.ndarray) -> np.ndarray | None:
    """Returns the bits bool `(256,)` by which a grey copy is compared, or None if it is of one grey all over.

    The low frequencies of its cosine transform, each above their median or not: ImageHash's `phash`, after Zauner,
    "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1,
    https://www.phash.org/docs/pubs/thesis_zauner.pdf.
    """
    from imagehash import phash
    from PIL import Image

    if grey.std() < _FLAT:
        return None
    return phash(Image.fromarray(grey), hash_size=HASH_SIDE).hash.flatten()


def near_pairs(hashes: Sequence[np.ndarray | None]) -> Iterator[tuple[int, int]]:
    """Yields pairs of indices, the smaller first, that connect all hashes which differ in at most `NEAR` bits.

    Of equal hashes each is paired with the first one alone, and only the first one with others that are near: so
    many copies of one picture make few pairs. Hashes are compared in chunks of a fixed size in memory.

    Example:
        >>> first = np.arange(256) % 2 == 0
        >>> list(near_pairs([first, ~first, None, np.roll(first, 256), first]))
        [(0, 3), (0, 4)]
    """
    from sklearn.metrics import pairwise_distances_chunked

    known = np.array([index for index, bits in enumerate(hashes) if bits is not None], int)
    if not len(known):
        return
    packed = np.packbits(np.stack([hashes[index] for index in known]), axis=1)
    _, firsts, of_which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    representatives = known[firsts]
    for index, first in zip(known, representatives[of_which.reshape(-1)], strict=True):
        if first != index:
            yield int(first), int(index)
    # the squared distance of points of 0 and 1 is the number of coordinates in which they differ
    points = np.unpackbits(packed[firsts], axis=1).astype(np.float32)
    radius = np.sqrt(NEAR + 0.5)

    def near(distances: np.ndarray, start: int) -> list[np.ndarray]:
        later = [start + place + 1 for place in range(len(distances))]
        return [begin + np.flatnonzero(row[begin:] <= radius) for begin, row in zip(later, distances, strict=True)]

    place = 0
    for chunk in pairwise_distances_chunked(points, reduce_func=near, working_memory=_MEGABYTES):
        for others in chunk:
            for other in others:
                first, second = sorted((int(representatives[place]), int(representatives[other])))
                yield first, second
            place += 1


def joined(pairs: Sequence[tuple[int, int]], count: int) -> np.ndarray:
    """Returns a number for each of `count` items, equal for those that pairs connect, directly or through others."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(pairs, int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def duplicate_groups(items: np.ndarray, side: int, *, encoded: bool) -> np.ndarray:
    """Returns a number for each image, equal for near-duplicates: int64 `(count,)`.

    Args:
        items: paths of files, or their bytes.
        side: the longer side of the size wanted, in pixels.
        encoded: the items are bytes.
    """
    hashes: list[np.ndarray | None] = [None] * len(items)
    for index, grey in decodable(list(items), side, encoded, _grey):
        hashes[index] = perceptual_hash(grey)
    return joined(list(near_pairs(hashes)), len(items))


def _grey(content: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    return grey_copy(image)


def content_key(content: bytes) -> bytes:
    """Returns a short key that is equal for equal bytes."""
    return blake2b(content, digest_size=16).digest()
