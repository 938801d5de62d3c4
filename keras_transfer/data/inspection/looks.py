"""What the doctor keeps of a picture that it decodes: its size, and a small grey copy to compare it by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer.data.inspection.findings import SeenImage
from keras_transfer.data.pixels.headers import announced_size
from keras_transfer.data.splitting.duplicates import grey_copy


def look(content: tf.Tensor, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns height and width int64 `(2,)`, and a grey copy."""
    return announced_size(content), grey_copy(image)


def sizes_of(images: Sequence[SeenImage]) -> dict[str, tuple[float, float, float]]:
    """Returns the smallest, median and largest height, width and aspect; nothing where there are no images."""
    if not images:
        return {}
    height, width = np.array([image.size for image in images], float).T
    values = {"height": height, "width": width, "aspect": width / np.maximum(height, 1)}
    return {name: (float(v.min()), float(np.median(v)), float(v.max())) for name, v in values.items()}
