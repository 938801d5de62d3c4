"""Pairing pictures with their masks: which folders hold them, and which files belong together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.classes import ordered, written
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import find_images
from keras_transfer.data.splitting.names import SPLIT_NAMES

_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos")
_MASKS = ("masks", "mask", "labels", "label", "annotations", "segmentationclass", "segmentations", "ground_truth", "gt")
_LISTS = ("ImageSets/Segmentation", "ImageSets/Main")  # below the folder, as PASCAL VOC and CVAT have them
_ENDINGS = re.compile(r"[-_. ](masks?|labels?|labelids|gt|seg|segmentation|annotation|l)$", re.IGNORECASE)
_NO_MASK = "has no mask"
_LAYOUTS = (
    "images/ and masks/, files with the same names in both; train/, val/ and test/ of these, or in these; or "
    "JPEGImages/, SegmentationClass/ and ImageSets/ of PASCAL VOC"
)


class Drawn(Protocol):
    """What draws a mask that is no file of its own."""

    def read(self) -> np.ndarray:
        """Returns values of pixels, int32 `(height, width)`."""


@dataclass(frozen=True)
class Pair:
    """A picture and what says what it shows.

    Attributes:
        image: the picture.
        masks: one file under "", whose values are classes; or by the name of a class the file that says where it is.
            In place of a file what draws the mask, such as the outlines of COCO.
    """

    image: Path
    masks: Mapping[str, Path | Drawn]


@dataclass(frozen=True)
class Paired:
    """Pictures with masks.

    Attributes:
        splits: pairs by split; "train" alone where there are no others.
        left_out: pictures without a mask, and masks without a picture.
        classes: names of the folders, where each class has masks of its own; empty where values are classes.
        legend: a file `labelmap.txt` of CVAT, if there is one.
    """

    splits: Mapping[str, Sequence[Pair]]
    left_out: Sequence[LeftOut]
    classes: tuple[str, ...]
    legend: Path | None


def has_masks(root: Path) -> bool:
    """Says whether a folder holds pictures and masks in a layout that is known."""
    return root.is_dir() and bool(_folders(root))


def find_pairs(root: Path) -> Paired:
    """Finds the pictures and masks below a folder.

    Raises:
        InputError: if it is no folder.
        DataError: if it holds no pictures with masks in a layout that is known.
    """
    if not root.is_dir():
        raise InputError(f"Expected a folder of pictures and masks. Received: {str(root)!r}, which is not a folder.")
    folders = _folders(root)
    if not folders:
        held = sorted(path.name for path in root.iterdir())[:8]
        raise DataError(f"Expected {_LAYOUTS} below {str(root)!r}. Received: a folder that holds {held}.")
    classes = ordered(name for images, masks in folders.values() for name in _class_folders(images, masks))
    splits: dict[str, list[Pair]] = {}
    left_out: list[LeftOut] = []
    for split, (images, masks) in folders.items():
        splits[split], alone = _paired(images, masks, classes)
        left_out += alone
    splits, unlisted = _listed(root, splits)
    if unlisted is not None:  # pictures that no list names are none of the set
        left_out = [item for item in left_out if item.reason != _NO_MASK] + unlisted
    legend = next((path for path in (root / "labelmap.txt",) if path.is_file()), None)
    if not splits.get("train"):
        raise DataError(f"Expected pictures with masks of the same names below {str(root)!r}. Received: none.")
    return Paired(splits, left_out, classes, legend)


def _folders(root: Path) -> dict[str, tuple[Path, Path]]:
    """Returns the folders of pictures and of masks of each split."""
    direct = _both(root)
    if direct is not None:
        images, masks = (_splits(folder) for folder in direct)
        together = {split: (images[split], masks[split]) for split in images if split in masks}
        return together if "train" in together else {"train": direct}
    found = {split: _both(folder) for split, folder in _splits(root).items()}
    every = {split: both for split, both in found.items() if both is not None}
    return every if "train" in every else {}


def _both(folder: Path) -> tuple[Path, Path] | None:
    named = {path.name.lower(): path for path in _subfolders(folder)}
    images, masks = (next((named[name] for name in names if name in named), None) for names in (_IMAGES, _MASKS))
    return None if images is None or masks is None else (images, masks)


def _splits(folder: Path) -> dict[str, Path]:
    named = [(SPLIT_NAMES.get(path.name.lower()), path) for path in _subfolders(folder)]
    return {split: path for split, path in named if split is not None}


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _class_folders(images: Path, masks: Path) -> dict[str, Path]:
    """Returns the folders of classes, which have masks of their own, by their names.

    There are none where masks lie in the folder itself, or in folders that have the names of folders of pictures.
    """
    found = {written(path.name): path for path in _subfolders(masks) if find_images(path)}
    direct = any(path.parent == masks for path in find_images(masks))
    of_pictures = {written(path.name) for path in _subfolders(images)}
    return {} if direct or set(found) & of_pictures else found


def _paired(images: Path, masks: Path, classes: Sequence[str]) -> tuple[list[Pair], list[LeftOut]]:
    """Returns the pictures of a split with their masks, and the files that have no counterpart."""
    folders = _class_folders(images, masks) if classes else {"": masks}
    pictures, left_out = _by_key(images, {})
    found = {}
    for name, folder in folders.items():
        found[name], twice = _by_key(folder, pictures)
        left_out += twice
    pairs = []
    for key, image in pictures.items():
        own = {name: by_key[key] for name, by_key in found.items() if key in by_key}
        if own:
            pairs.append(Pair(image, own))
        else:
            left_out.append(LeftOut(image, _NO_MASK))
    alone = [path for by_key in found.values() for key, path in by_key.items() if key not in pictures]
    return pairs, [*left_out, *(LeftOut(path, "is a mask without a picture") for path in alone)]


def _by_key(folder: Path, pictures: Mapping[str, Path]) -> tuple[dict[str, Path], list[LeftOut]]:
    """Returns the pictures below a folder by their paths without endings, and those whose place is taken.

    Masks are found by the names of their pictures, or by these with an ending such as `_mask`; the exact name goes
    before.
    """
    found: dict[str, Path] = {}
    taken: list[LeftOut] = []
    waiting = []
    for path in find_images(folder):
        key = unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())
        shorter = _ENDINGS.sub("", key)
        if key not in pictures and shorter in pictures:
            waiting.append((shorter, path))
        elif key in found:
            taken.append(LeftOut(path, f"has the name of {found[key].name!r}"))
        else:
            found[key] = path
    for key, path in waiting:
        if key in found:
            taken.append(LeftOut(path, f"is a second mask, beside {found[key].name!r}"))
        else:
            found[key] = path
    return found, taken


def _listed(root: Path, splits: dict[str, list[Pair]]) -> tuple[dict[str, list[Pair]], list[LeftOut] | None]:
    """Shares the pairs out as the lists of PASCAL VOC say, where there are lists and no folders of splits.

    Returns:
        The pairs by split, and the names in the lists that fit none; None where there are no lists.

    Raises:
        DataError: if there is a list for training of which no name fits.
    """
    lists = next((root / name for name in _LISTS if (root / name).is_dir()), None)
    files = sorted(lists.glob("*.txt")) if lists is not None else []
    named = {SPLIT_NAMES[path.stem.lower()]: path for path in files if path.stem.lower() in SPLIT_NAMES}
    if "train" not in named or set(splits) != {"train"}:
        return splits, None
    pairs = {name: pair for pair in splits["train"] for name in (pair.image.name, pair.image.stem)}
    chosen: dict[str, list[Pair]] = {}
    missing = []
    for split, path in named.items():
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        names = [unicodedata.normalize("NFC", Path(line).name) for line in lines]
        fitting = {unicodedata.normalize("NFC", name): pair for name, pair in pairs.items()}
        chosen[split] = [fitting[name] for name in names if name in fitting]
        missing += [
            LeftOut(root / name, f"is listed in {path.name!r}, and has no picture with a mask")
            for name in names
            if name not in fitting
        ]
    if not chosen["train"]:
        raise DataError(f"Expected names of pictures with masks in {str(named['train'])!r}. Received: none that fits.")
    return chosen, missing
