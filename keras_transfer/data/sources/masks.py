"""Pictures with masks, from folders: a class for each pixel."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._arguments import PATH, Kind, takes
from keras_transfer._checks import DataError, DataWarning, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut, below
from keras_transfer.data.files import check_files
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.masks.coco import Annotations, find_outlines
from keras_transfer.data.masks.collecting import Collector, Mask, blurred_in, with_background
from keras_transfer.data.masks.legend import Legend, colours_in, listed_values, number_of
from keras_transfer.data.masks.pairing import Pair, find_pairs
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.assembling import Assembly
from keras_transfer.data.splitting.splits import group_ids
from keras_transfer.tasks import TASKS, Segmentation

_SHOWN = 5


@takes(
    annotations=PATH | Kind(Mapping, "a mapping from splits to files") | None,
    class_names=Kind((list, tuple), "a list of names") | None,
    values=Kind(Mapping, "a mapping from names to values") | None,
    groups=Kind(callable, "a function of a path") | None,
)
def from_masks(
    directory: str | os.PathLike[str],
    *,
    image_size: int | tuple[int, int] = 224,
    annotations: Annotations | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, Any] | None = None,
    ignore: int | tuple[int, int, int] | Sequence[Any] | None = None,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 8,
    validation_split: float = 0.2,
    groups: Callable[[Path], Hashable] | None = None,
    pixel_range: tuple[float, float] | None = None,
    seed: int = 0,
) -> ImageData:
    """Reads pictures with masks that say what each pixel shows.

    The directory holds `images/` and `masks/` with files of the same names (a mask may end in `_mask` or the like), in
    `train/`, `val/` and `test/` or without; or what PASCAL VOC has, or CVAT writes. Masks are PNG files of numbers, of
    colours, or of a palette, whose numbers count. Where `masks/` has folders, each is a class of its own whose masks
    are not zero where it is; pixels of none are "background", and of several the class that comes last counts.
    Masks are resized as pictures are, but each pixel keeps one class. They are kept in memory, one byte a pixel.
    A picture without a mask, a mask without a picture, and one of another size are named in a warning and listed in
    `left_out`.

    Args:
        directory: the folder to read.
        image_size: height and width in pixels, or one number for both.
        annotations: in place of masks, a JSON file of COCO with outlines, as CVAT and Label Studio export it too; or
            one for each split by its name. The pictures are found below the directory. What no outline holds is
            "background", and smaller objects lie over larger ones. Needs `pip install 'keras-transfer[coco]'`.
        class_names: names of the values 0, 1 and so on; or of the values that occur, in rising order. By default the
            values themselves, or what a `labelmap.txt` of CVAT says.
        values: in place of `class_names`, the value of each class by its name: a whole number, a colour (red, green,
            blue), or a list of these.
        ignore: values, or colours, of pixels that have no class. By default 255, unless it is the value of a class in
            `values`, or there is nothing else but 0.
        resize: how images and masks are resized: "crop", "pad" or "stretch"; see `from_directory`. What "pad" adds has
            no class.
        augment: augmentation of training images, and of their masks with them: a name in `kt.available("augment")`, a
            Keras layer that moves masks, a function `(image, mask) -> (image, mask)`, or a list of these.
        batch_size: number of images in a batch.
        validation_split: share of the images that is held out for validation, in (0, 1), if there is no `val/`.
        groups: maps the path of a picture to its group, such as a patient; pictures of one group are put on the same
            side of the split.
        pixel_range: as in `from_directory`.
        seed: seed of the split, the order and the augmentation.

    Returns:
        Data whose labels are int `(batch, height, width, 1)`, -1 where a pixel has no class. Build the model with a
        head for every pixel, such as `head="fpn"`.

    Raises:
        InputError: if the directory does not exist, or an argument is unknown or out of range.
        DataError: if there are no pictures with masks, fewer than two classes, or names and values do not fit.
    """
    assembly = Assembly(image_size, resize, augment, batch_size, validation_split, seed, pixel_range)
    found = masked_examples(
        directory,
        assembly,
        annotations=annotations,
        class_names=class_names,
        values=values,
        ignore=ignore,
        groups=groups,
    )
    data = assembly.data(found.splits, found.legend.class_names, found.left_out, Path(directory).expanduser())
    return replace(data, mask_values=found.legend.described())


@dataclass(frozen=True)
class MaskedExamples:
    """Pictures with masks, before anything is held out.

    Attributes:
        splits: examples by the splits of the folder; "train" alone where it has none.
        legend: what the values of masks stand for.
        left_out: the files that are not used.
    """

    splits: dict[str, Examples]
    legend: Legend
    left_out: list[LeftOut]


def masked_examples(
    directory: str | os.PathLike[str],
    assembly: Assembly,
    *,
    annotations: Annotations | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, Any] | None = None,
    ignore: int | tuple[int, int, int] | Sequence[Any] | None = None,
    groups: Callable[[Path], Hashable] | None = None,
) -> MaskedExamples:
    """Reads the pictures and masks of a folder; the arguments, and what is raised, are those of `from_masks`."""
    if class_names is not None and values is not None:
        raise InputError("Expected `class_names` or `values`. Received: both.")
    root = Path(directory).expanduser()
    if annotations is not None:
        if class_names is not None or values is not None:
            raise InputError("Expected no `class_names` and no `values` with `annotations`, which has both.")
        paired, given = find_outlines(root, annotations)
    else:
        paired, given = find_pairs(root), None
    if values is None and class_names is None and paired.legend is not None:
        values = colours_in(paired.legend)
    ignored = None if ignore is None else listed_values(ignore)
    given = given if values is None else Legend.given(values, ignored or ())
    pairs = [each for part in paired.splits.values() for each in part]
    collector = Collector(assembly.size, assembly.resize, paired.classes, coloured=given is not None and given.coloured)
    masks, unfit = collector.collect(pairs)
    left_out = [*check_files([each.image for each in pairs], assembly.side), *paired.left_out]
    bad = {item.path for item in left_out}
    left_out += [item for item in unfit if item.path not in bad]
    note_left_out(left_out, len(pairs) + len(paired.left_out), root)
    unusable = {item.path for item in left_out}
    used = {split: [each for each in part if each.image not in unusable] for split, part in paired.splits.items()}
    empty = [split for split, part in used.items() if not part]
    if empty:
        raise DataError(f"Expected usable pictures with masks in every split. Received: none in {empty}.")
    kept = {each.image: masks[each.image] for part in used.values() for each in part}
    coloured = {mask.coloured for mask in kept.values()}
    if coloured == {True, False} and not collector.coloured:  # palettes and colours together: all are read as colours
        again = replace(collector, coloured=True).collect([pair for part in used.values() for pair in part])[0]
        kept = {path: again[path] for path in kept}
    if (given is not None and given.coloured) or True in coloured:
        kept = {path: mask.as_colours() for path, mask in kept.items()}
    hint = _saved_as_jpeg(pairs)
    legend = given or _legend_of(kept, paired.classes, class_names, ignored, hint)
    check_classes(legend.class_names)
    _note_strangers(legend, kept, root, hint)
    examples = {}
    for split, part in used.items():
        items = np.array([str(each.image) for each in part], dtype=object)
        labels = np.stack([legend.read(kept[each.image].values) for each in part])[..., np.newaxis]
        numbers = None if groups is None else group_ids([groups(each.image) for each in part])
        examples[split] = Examples(items, TASKS.find(Segmentation.name).standardised(labels), groups=numbers)
    return MaskedExamples(examples, legend, left_out)


def _legend_of(
    masks: Mapping[Path, Mask],
    classes: Sequence[str],
    class_names: Sequence[str] | None,
    ignored: Sequence[Any] | None,
    hint: str,
) -> Legend:
    """Returns what the values of masks stand for, where nobody says it."""
    if classes:
        names = with_background(classes)
        return Legend(names, {number: number for number in range(len(names))}, frozenset(), False)
    present: Counter[int] = sum((mask.present for mask in masks.values()), Counter())
    coloured = any(mask.coloured for mask in masks.values())
    numbers = None if ignored is None else [number_of(value) for value in ignored]
    return Legend.found(present, class_names, numbers, coloured=coloured, hint=hint)


def _note_strangers(legend: Legend, masks: Mapping[Path, Mask], root: Path, hint: str) -> None:
    """Warns of masks with values that stand for nothing."""
    odd = {path: legend.strangers(mask.present) for path, mask in masks.items()}
    odd = {path: values for path, values in odd.items() if values}
    if odd:
        values = sorted({value for each in odd.values() for value in each})
        named = ", ".join(below(path, root) for path in list(odd)[:_SHOWN])
        warnings.warn(
            f"{len(odd)} of {len(masks)} masks have values that are of no class, {', '.join(values[:10])}"
            f"{' and others' if len(values) > 10 else ''}: those of {named}{', ...' if len(odd) > _SHOWN else ''}. "
            f"These pixels have no label.{hint}",
            DataWarning,
            stacklevel=4,
        )


def _saved_as_jpeg(pairs: Sequence[Pair]) -> str:
    """Returns what to know of masks in a format that blurs them, as a sentence; nothing where there are none."""
    blurred = blurred_in(pairs)
    if not blurred:
        return ""
    return f" {len(blurred)} masks, such as {blurred[0].name!r}, are JPEG files, which blur values: save them as PNG."
