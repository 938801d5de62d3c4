"""The doctor: looks at every image of a set as training will, and says what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.by_kind import kind_of_files
from keras_transfer.data.classes import written
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import decodable, examine_files, find_images
from keras_transfer.data.formats.naming import format_named
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.inspection.checkup import Checkup
from keras_transfer.data.inspection.finding import SERIOUS, WARNING, Finding, by_severity
from keras_transfer.data.inspection.findings import SeenImage, class_troubles, copies, counts_of, oddities, pairs_of
from keras_transfer.data.inspection.forms import form_troubles
from keras_transfer.data.inspection.looks import look, sizes_of
from keras_transfer.data.inspection.masks import check_mask_data, check_mask_folder
from keras_transfer.data.inspection.sounds import check_sound_folder, check_sounds
from keras_transfer.data.inspection.texts import check_texts
from keras_transfer.data.kinds import Sounds
from keras_transfer.data.masks.pairing import has_masks
from keras_transfer.data.pipelines.options import mapped
from keras_transfer.data.sound_data import SoundData
from keras_transfer.data.sources.listing import class_folders, other_files, split_folders, why_no_class
from keras_transfer.data.splitting.duplicates import grey_copy, perceptual_hash
from keras_transfer.data.text_data import TextData


def check(source: ImageData | SoundData | TextData | str | os.PathLike[str], *, image_size: int = 224) -> Checkup:
    """Decodes every image with the operation that training uses and reports what its owner should know.

    - serious: files that cannot be used (unreadable, truncated, of another format than their name says, of more
      pixels than `MAX_PIXELS`); the same picture in two splits or in two classes, also where it was resized or
      compressed anew; one class, a class of one image, or one without any.
    - warnings: the only file of its format; tiny pictures; classes of very different size or missing from a split;
      pictures in formats TensorFlow cannot decode, or outside the class folders; pixels that are not in [0, 255].
    - notes: copies within a class; animations, of which the first frame counts; CMYK and 16-bit pictures, which are
      converted; classes with whole numbers as names, of which Keras has another order.

    Of texts it reports copies, also with other letters here and there, texts that are cut or of which the tokenizer
    knows little, and those of another script, a wrong encoding or a single word. Of sounds it reports equal files,
    silent, overdriven and short ones, and those with fewer samples a second than wanted. Of pictures with masks it
    reports files without a counterpart, sizes that differ, masks that are blurred or show one class alone, and classes
    that are rare or not in training; it counts the masks in which a class is. Nothing is moved or deleted.

    Args:
        source: a folder as `from_directory`, `from_masks` or `from_audio_directory` takes it; or data of any source.
        image_size: the size wanted for training, in pixels, where `source` is a folder.

    Raises:
        InputError: if there is no folder, or no image in it.

    Example:
        >>> from keras_transfer.data import from_arrays
        >>> noise = np.random.default_rng(0).integers(0, 255, (20, 40, 40, 3), "uint8")
        >>> noise[1] = noise[0]
        >>> print(check(from_arrays(noise, np.arange(20) % 2)))
        20 images found, 20 usable, 0 left out
          train          16 images: 0 8, 1 8
          validation      4 images: 0 2, 1 2
          height         40 median, 40 to 40
          width          40 median, 40 to 40
          aspect          1 median, 1 to 1
        serious: copies in two classes (1)
          train 0 = train 1: the same picture as 0 and as 1
        1 serious
    """
    if isinstance(source, TextData):
        return check_texts(source)
    if isinstance(source, SoundData):
        return check_sounds(source)
    if isinstance(source, ImageData) and source.masked:
        return check_mask_data(source)
    if not isinstance(source, ImageData) and kind_of_files(source) is Sounds:
        return check_sound_folder(Path(source).expanduser())
    if not isinstance(source, ImageData) and has_masks(Path(source).expanduser()):
        return check_mask_folder(Path(source).expanduser(), image_size)
    if isinstance(source, ImageData):
        images, left_out, root = *_listed(source), source.root
        extra: list[Finding] = []
        image_size = max(source.image_size)
        seen = dict(_seen([image.item for image in images], image_size))
        looked = [(image, seen[index]) for index, image in enumerate(images)]
    else:
        root = Path(source).expanduser()
        images, extra = _found(root)
        left_out, by_path = examine_files([image.path for image in images], image_size, look)
        looked = [(image, by_path[image.path]) for image in images if image.path in by_path]
        images = [image for image, _ in looked]
    for image, (size, grey) in looked:
        image.size, image.bits = (int(size[0]), int(size[1])), perceptual_hash(grey)
    findings = [
        *(Finding("unreadable", SERIOUS, item.reason, (item.path,)) for item in left_out),
        *copies(images, pairs_of(images)),
        *class_troubles(images),
        *oddities(images),
        *form_troubles(images, image_size),
        *extra,
    ]
    return Checkup(
        found=len(images) + len(left_out),
        left_out=tuple(left_out),
        counts=counts_of(images),
        sizes=sizes_of(images),
        findings=by_severity(findings),
        root=root,
    )


def _found(root: Path) -> tuple[list[SeenImage], list[Finding]]:
    """Lists what is named like an image below a folder, with the split and class that its place says."""
    if not root.is_dir():
        raise InputError(f"Expected a folder of class folders. Received: {str(root)!r}, which is not a folder.")
    images: list[SeenImage] = []
    findings: list[Finding] = []
    for split, folder in split_folders(root).items():
        for path in find_images(folder):
            parts = path.relative_to(folder).parts
            if len(parts) > 1:
                images.append(SeenImage(path, split, written(parts[0]), str(path)))
            else:
                findings.append(Finding("outside the class folders", WARNING, "is not used", (path,)))
    findings += [
        Finding("class without images", SERIOUS, why_no_class(path), (path,))
        for folder in split_folders(root).values()
        for path in class_folders(folder)
        if not find_images(path)
    ]
    others = other_files(root, format_named)
    findings += [
        Finding("other formats", WARNING, "is not read; convert it to JPEG or PNG", (path,)) for path in others
    ]
    if not images:
        raise DataError(f"Expected images in class folders below {str(root)!r}. Received none.")
    return images, findings


def _listed(data: ImageData) -> tuple[list[SeenImage], list[LeftOut]]:
    """Lists the images of a data set; of several labels the first counts."""
    images = []
    for split, examples in data.splits.items():
        labels = examples.labels if examples.labels.dtype.kind != "f" else np.zeros(len(examples), int)
        for index, item in enumerate(examples.items):
            label = int(labels[index] if labels.ndim == 1 else labels[index].argmax())
            path = Path(item) if examples.in_files else Path(f"{split} {index}")
            images.append(SeenImage(path, split, data.class_names[label], item))
    return images, list(data.left_out)


def _seen(items: Sequence[Any], side: int) -> Iterator[tuple[int, Any]]:
    """Yields index, size and grey copy of images of any kind."""
    if not isinstance(items[0], np.ndarray):
        yield from decodable(items, side, isinstance(items[0], bytes), look)
        return
    arrays = tf.data.Dataset.from_tensor_slices(np.stack(items))
    yield from enumerate(mapped(arrays, lambda image: (tf.shape(image)[:2], grey_copy(image))).as_numpy_iterator())
