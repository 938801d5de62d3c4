"""What is wrong with a set of images that were looked at: copies, numbers, oddities."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer.data.classes import ordered
from keras_transfer.data.formats.naming import file_of
from keras_transfer.data.inspection.finding import COPIES_IN_CLASSES, COPIES_IN_SPLITS, NOTE, SERIOUS, WARNING, Finding
from keras_transfer.data.notes import odd_formats
from keras_transfer.data.splitting.duplicates import content_key, joined, near_pairs

_TINY = 32  # pixels of the shorter side
_UNEVEN = 10  # largest class over smallest
_SPLITS = ("train", "validation", "test")


@dataclass
class SeenImage:
    """One image, where it belongs, and what was seen of it."""

    path: Path
    split: str
    class_name: str
    item: Any
    size: tuple[int, int] = (0, 0)
    bits: np.ndarray | None = None


def pairs_of(images: Sequence[SeenImage]) -> list[tuple[int, int]]:
    """Returns pairs of indices of pictures that are the same, maybe resized or compressed anew."""
    return [*near_pairs([image.bits for image in images]), *equal_files(images)]


def copies(
    images: Sequence[SeenImage],
    pairs: Sequence[tuple[int, int]],
    one: str = "picture",
    maybe: str = "maybe resized or compressed anew",
) -> Iterator[Finding]:
    """Finds pictures, or others, that are there more than once, and says where.

    Args:
        images: all of them.
        pairs: indices of those that are the same.
        one: what a single one is called.
        maybe: how they may differ all the same.
    """
    groups = joined(pairs, len(images))
    by_group: dict[int, list[SeenImage]] = {}
    for image, group in zip(images, groups, strict=True):
        by_group.setdefault(int(group), []).append(image)
    for members in by_group.values():
        if len(members) < 2:
            continue
        members = sorted(members, key=lambda image: _SPLITS.index(image.split))
        paths = tuple(image.path for image in members)
        classes = sorted({image.class_name for image in members})
        splits = list(dict.fromkeys(image.split for image in members))
        if len(classes) > 1:
            yield Finding(COPIES_IN_CLASSES, SERIOUS, f"the same {one} as {' and as '.join(classes)}", paths)
        if len(splits) > 1:
            yield Finding(COPIES_IN_SPLITS, SERIOUS, f"the same {one} in {' and in '.join(splits)}", paths)
        if len(classes) == len(splits) == 1:
            yield Finding("copies in one class", NOTE, f"the same {one}, {maybe}", paths)


def equal_files(images: Sequence[SeenImage]) -> Iterator[tuple[int, int]]:
    """Yields pairs of indices of files with equal bytes, of those without a perceptual hash, as flat pictures are."""
    sizes: dict[int, list[int]] = {}
    for index, image in enumerate(images):
        if image.bits is None and isinstance(image.item, str) and image.path.is_file():
            sizes.setdefault(image.path.stat().st_size, []).append(index)
    for indices in sizes.values():
        first: dict[bytes, int] = {}
        for index in indices if len(indices) > 1 else ():
            earlier = first.setdefault(content_key(images[index].path.read_bytes()), index)
            if earlier != index:
                yield earlier, index


def class_troubles(images: Sequence[SeenImage], noun: str = "images") -> Iterator[Finding]:
    """Finds what is wrong with the numbers of images, or of what else `noun` names."""
    one = noun.removesuffix("s")
    counts = counts_of(images)
    train = counts.get("train", {})
    if len(train) < 2:
        yield Finding("one class", SERIOUS, f"a classifier needs two or more classes, and these are {list(train)}")
    for name, count in train.items():
        if count == 1:
            yield Finding(f"class of one {one}", SERIOUS, f"{name} has a single usable {one} to train on")
    if train and max(train.values()) >= _UNEVEN * min(train.values()):
        low, high = min(train, key=train.__getitem__), max(train, key=train.__getitem__)
        yield Finding("uneven classes", WARNING, f"{high} has {train[high]} {noun} and {low} has {train[low]}")
    for split, by_class in counts.items():
        for name in [name for name in train if not by_class.get(name)]:
            yield Finding("class missing", WARNING, f"{split} has no {one} of {name}")
        for name in [name for name in by_class if name not in train]:
            yield Finding("class missing", SERIOUS, f"{split} has {noun} of {name}, and train has none")


def oddities(images: Sequence[SeenImage]) -> Iterator[Finding]:
    """Finds images that are unlike the others, and those of which training uses only a part."""
    files = [image for image in images if isinstance(image.item, str)]
    for path, kind in odd_formats([image.path for image in files]):
        message = f"the only {kind} among {len(files)} images: is it a picture of its class?"
        yield Finding("only one of its format", WARNING, message, (path,))
    for image in images:
        if min(image.size) < _TINY:
            yield Finding("tiny", WARNING, f"has {image.size[1]} x {image.size[0]} pixels", (image.path,))
    for image in files:
        for kind, message in _converted(image.path):
            yield Finding(kind, NOTE, message, (image.path,))


def _converted(path: Path) -> Iterator[tuple[str, str]]:
    """Reads from the head of a file what decoding to RGB takes away."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file_of(path)) as picture:
            frames, mode = getattr(picture, "n_frames", 1), picture.mode
    except Exception:  # Pillow raises what its plugins raise, for files that TensorFlow decodes all the same
        return
    if frames > 1:
        yield "several pictures", f"has {frames} frames or pages, of which the first is used"
    if mode == "CMYK":
        yield "CMYK", "is converted to RGB, and its colours may change"


def counts_of(images: Sequence[SeenImage]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for image in images:
        by_class = counts.setdefault(image.split, {})
        by_class[image.class_name] = by_class.get(image.class_name, 0) + 1
    return {
        split: {name: counts[split][name] for name in ordered(counts[split])} for split in _SPLITS if split in counts
    }
