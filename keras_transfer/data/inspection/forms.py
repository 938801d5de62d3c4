"""What the form of the data says before training: the order of its classes, its bit depth, the range of its pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from keras_transfer.data.classes import ordered
from keras_transfer.data.inspection.finding import NOTE, WARNING, Finding
from keras_transfer.data.inspection.findings import SeenImage
from keras_transfer.data.sources.bit_depth import common_range, deep_values


def form_troubles(images: Sequence[SeenImage], side: int) -> Iterator[Finding]:
    """Finds what is easily taken for something else.

    Args:
        images: of a folder or a data set.
        side: the longer side of the size wanted, in pixels.
    """
    names = {image.class_name for image in images}
    if ordered(names) != tuple(sorted(names)):
        said = "are in the order of their numbers; Keras' image_dataset_from_directory sorts them as text"
        yield Finding("order of classes", NOTE, f"{', '.join(ordered(names)[:3])} ... {said}")
    arrays = [image for image in images if isinstance(image.item, np.ndarray)]
    if arrays:
        low = min(float(image.item.min()) for image in arrays)
        high = max(float(image.item.max()) for image in arrays)
        if low < 0 or 0 < high <= 1 or high > 255:
            said = f"have values from {low:.4g} to {high:.4g}, where 0 is black and 255 white; pass pixel_range="
            yield Finding("range of pixels", WARNING, said, tuple(image.path for image in arrays[:3]))
        return
    deep = deep_values([image.item for image in images], isinstance(images[0].item, bytes), side) if images else {}
    used = common_range(deep.values())
    if used is not None:
        said = (
            f"more than 8 bits a channel, with values up to {max(values.high for values in deep.values()):.6g}: "
            f"black is {used[0]:.6g} and white {used[1]:.6g}, unless pixel_range= says otherwise"
        )
        yield Finding("more than 8 bits", NOTE, said, tuple(image.path for image in images if image.item in deep))
