"""Masks from files of COCO: polygons and run lengths that outline objects, by the names of pictures."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.classes import written
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.masks.collecting import with_background
from keras_transfer.data.masks.legend import Legend
from keras_transfer.data.masks.pairing import Pair, Paired

Annotations = str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]


@dataclass(frozen=True, eq=False)
class Outlines:
    """The outlines of the objects in one picture.

    Attributes:
        name: of the file that has them.
        coco: what pycocotools made of it.
        image_id: of the picture in it.
        numbers: number of the class by the id of the category.
    """

    name: str
    coco: Any
    image_id: int
    numbers: Mapping[int, int]

    def read(self) -> np.ndarray:
        """Returns the number of the class of each pixel, int32 `(height, width)`; smaller objects lie over larger ones.

        Raises:
            FormatError: if an outline is damaged.
        """
        about = self.coco.imgs[self.image_id]
        mask = np.zeros((about["height"], about["width"]), np.int32)
        found = self.coco.loadAnns(self.coco.getAnnIds([self.image_id]))
        for each in sorted(found, key=lambda each: -(each.get("area") or 0)):
            if not each.get("segmentation"):
                raise FormatError(f"has an object without an outline in {self.name!r}")
            try:
                inside = self.coco.annToMask(each)
            except Exception as error:  # pycocotools raises whatever its C code meets
                raise FormatError(f"has a damaged outline in {self.name!r} ({error})") from error
            mask[inside > 0] = self.numbers[each["category_id"]]
        return mask


def find_outlines(root: Path, annotations: Annotations) -> tuple[Paired, Legend]:
    """Returns the pictures below a folder with the outlines that files of COCO have of them, and what numbers mean.

    Args:
        root: folder of the pictures, which are found by the names in the file, at any depth.
        annotations: a JSON file, or one for each split by its name, "train", "validation" and "test".

    Raises:
        InputError: if pycocotools is not installed, or there is no such folder, file or split.
        DataError: if a file is of another form, or has a category that that of "train" does not have.
    """
    if not root.is_dir():
        raise InputError(f"Expected a folder of pictures. Received: {str(root)!r}, which is not a folder.")
    named = dict(annotations) if isinstance(annotations, Mapping) else {"train": annotations}
    if "train" not in named or not set(named) <= {"train", "validation", "test"}:
        raise InputError(f"Expected files for 'train', and maybe 'validation' and 'test'. Received: {list(named)}.")
    read = {split: _read(Path(file).expanduser()) for split, file in named.items()}
    categories = sorted(read["train"].cats.values(), key=lambda category: category["id"])
    names = with_background(written(str(category["name"])) for category in categories)
    paths: dict[str, Path] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        paths.setdefault(path.name, path)
    splits: dict[str, list[Pair]] = {}
    left_out: list[LeftOut] = []
    for split, coco in read.items():
        file = Path(named[split]).name
        strangers = {written(str(each["name"])) for each in coco.cats.values()} - set(names)
        if strangers:
            raise DataError(
                f"Expected the categories of 'train', {list(names[1:])}. Received also: {sorted(strangers)}."
            )
        numbers = {each["id"]: names.index(written(str(each["name"]))) for each in coco.cats.values()}
        splits[split] = []
        for image_id, about in coco.imgs.items():
            direct = root / about["file_name"]
            found = direct if direct.is_file() else paths.get(direct.name)
            if found is None:
                left_out.append(LeftOut(direct, f"is named in {file!r} and is not there"))
            else:
                splits[split].append(Pair(found, {"": Outlines(file, coco, image_id, numbers)}))
    if not splits["train"]:
        raise DataError(
            f"Expected pictures that {Path(named['train']).name!r} names below {str(root)!r}. Received: none."
        )
    legend = Legend(names, {number: number for number in range(len(names))}, frozenset(), False)
    return Paired(splits, left_out, (), None), legend


def _read(file: Path) -> Any:
    """Reads a file of COCO.

    Raises:
        InputError: if pycocotools is not installed, or there is no such file.
        DataError: if it is of another form.
    """
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise InputError("Expected pycocotools, which reads outlines; pip install 'keras-transfer[coco]'.") from error
    if not file.is_file():
        raise InputError(f"Expected a JSON file of COCO. Received: {str(file)!r}, which is not there.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it takes
            found = COCO(str(file))
        if not found.imgs or not found.cats:
            raise KeyError("images or categories")
        for about in found.imgs.values():
            path = Path(about["file_name"])
            if min(int(about["height"]), int(about["width"])) < 1 or path.is_absolute() or ".." in path.parts:
                raise ValueError(f"an image {about}")
            about["height"], about["width"] = int(about["height"]), int(about["width"])
        if len({about["file_name"] for about in found.imgs.values()}) < len(found.imgs):
            raise ValueError("two images of one name")
        strangers = {each["category_id"] for each in found.anns.values()} - set(found.cats)
        if strangers:
            raise ValueError(f"objects of categories {sorted(strangers)[:5]}, which it does not have")
        return found
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise DataError(
            f"Expected images, annotations and categories as COCO has them in {file.name!r}. Received: "
            f"{type(error).__name__} {error}."
        ) from error
