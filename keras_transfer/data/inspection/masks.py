"""The doctor of pictures with masks: what does not belong together, values that are none, classes that are not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import examine_files
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.inspection.checkup import Checkup
from keras_transfer.data.inspection.finding import NOTE, SERIOUS, WARNING, Finding, by_severity
from keras_transfer.data.inspection.findings import SeenImage, copies, pairs_of
from keras_transfer.data.inspection.looks import look, sizes_of
from keras_transfer.data.masks.collecting import Collector, blurred_in, with_background
from keras_transfer.data.masks.legend import MOST, colours_in, number_of
from keras_transfer.data.masks.pairing import find_pairs
from keras_transfer.data.splitting.duplicates import perceptual_hash
from keras_transfer.tasks import UNKNOWN

_SMALL = (64, 64)  # size at which masks are looked at
_RARE = 0.001  # share of the pixels below which a class is named
Present = dict[Path, Counter[str]]  # number of pixels of each class or value, by the picture


def check_mask_folder(root: Path, image_size: int) -> Checkup:
    """Looks at every picture and every mask below a folder, before anything says what their values mean."""
    paired = find_pairs(root)
    pairs = {pair.image: pair for part in paired.splits.values() for pair in part}
    masks, unfit = Collector(_SMALL, "stretch", paired.classes).collect(list(pairs.values()))
    every = {value for mask in masks.values() for value in mask.present}
    coloured = any(mask.coloured for mask in masks.values())
    void = {255} if not coloured and not every <= {0, 255} else set()
    names = {value: f"#{value:06x}" if coloured else str(value) for value in every - void}
    if paired.classes:
        names = dict(enumerate(with_background(paired.classes)))
    elif paired.legend is not None and coloured:
        names |= {number_of(colour): name for name, colour in colours_in(paired.legend).items()}
    present = {
        path: Counter({names[value]: count for value, count in mask.present.items() if value in names})
        for path, mask in masks.items()
    }
    splits = {split: [pair.image for pair in part] for split, part in paired.splits.items()}
    return _checked(splits, present, [*paired.left_out, *unfit], root, image_size, blurred_in(pairs.values()))


def check_mask_data(data: ImageData) -> Checkup:
    """Looks at the pictures and masks of a data set; images in arrays are named by their places."""
    splits, present = {}, {}
    for split, examples in data.splits.items():
        paths = [
            Path(item) if examples.in_files else Path(f"{split} {index}") for index, item in enumerate(examples.items)
        ]
        splits[split] = paths
        for path, label in zip(paths, examples.labels, strict=True):
            counts = np.bincount(label[label != UNKNOWN], minlength=data.num_classes)
            present[path] = Counter({name: int(n) for name, n in zip(data.class_names, counts, strict=True) if n})
    return _checked(splits, present, data.left_out, data.root, max(data.image_size), [])


def _checked(
    splits: Mapping[str, Sequence[Path]],
    present: Present,
    left_out: Sequence[LeftOut],
    root: Path | None,
    image_size: int,
    blurred: Sequence[Path],
) -> Checkup:
    """Puts together what was found.

    Args:
        splits: the pictures of each split.
        present: what each of them shows.
        left_out: what is known to be unusable.
        root: folder of the files.
        image_size: wanted for training.
        blurred: masks in formats that mix values.
    """
    every = [(path, split) for split, paths in splits.items() for path in paths if path in present]
    files = [path for path, _ in every if path.is_file()]
    unreadable, looked = examine_files(files, image_size, look)
    left_out = [*left_out, *unreadable]
    bad = {item.path for item in left_out}
    images = []
    for path, split in every:
        if path in looked and path not in bad:
            size, grey = looked[path]
            image = SeenImage(path, split, "", str(path), (int(size[0]), int(size[1])))
            image.bits = perceptual_hash(grey)
            images.append(image)
    kept = [(path, split) for path, split in every if path not in bad]
    findings = [
        *(Finding("unusable", SERIOUS, item.reason, (item.path,)) for item in left_out),
        *copies(images, pairs_of(images)),
        *_of_values(kept, present, blurred),
    ]
    counts: dict[str, dict[str, int]] = {split: {} for split in splits}
    for path, split in kept:
        for name in present[path]:
            counts[split][name] = counts[split].get(name, 0) + 1
    return Checkup(
        found=len(kept) + len(left_out),
        left_out=tuple(left_out),
        counts=counts,
        sizes=sizes_of(images),
        findings=by_severity(findings),
        root=root,
        noun="pictures",
        counted="classes in masks",
    )


def _of_values(kept: Sequence[tuple[Path, str]], present: Present, blurred: Sequence[Path]) -> Iterator[Finding]:
    if blurred:
        said = f"{len(blurred)} masks are of a format that blurs values: save them as PNG"
        yield Finding("blurred masks", SERIOUS, said, tuple(blurred))
    total: Counter[str] = sum((present[path] for path, _ in kept), Counter())
    if len(total) > MOST:
        said = f"masks have {len(total)} values, which can hardly be classes"
        yield Finding("too many values", SERIOUS, said)
        return
    learnt = {name for path, split in kept if split == "train" for name in present[path]}
    for name in sorted(set(total) - learnt):
        yield Finding("class not in training", SERIOUS, f"{name} is in other splits, and not in training")
    if len(total) == 1:
        yield Finding("one class", SERIOUS, f"all masks show {next(iter(total))} alone")
    alone = tuple(path for path, _ in kept if len(present[path]) == 1)
    if alone and len(total) > 1:
        yield Finding("one class in a mask", NOTE, f"{len(alone)} masks show one class alone", alone)
    for name, count in total.items():
        if count < _RARE * total.total():
            where = tuple(path for path, _ in kept if name in present[path])
            said = f"{name} covers {count / total.total():.3%} of all pixels, in {len(where)} masks"
            yield Finding("rare class", WARNING, said, where)
