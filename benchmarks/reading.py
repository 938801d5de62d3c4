"""The images of a folder, read and resized to 224x224, beside Keras' `image_dataset_from_directory`.

One pass, and ten, as a training of ten epochs makes them: ours keeps the decoded images in memory if they fit. The pass
from which the activation cache is filled keeps nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from measure import in_turn, report, timed

SIZE = 224
FOLDERS = {  # height and width, different pictures, files
    "12 megapixels": ((3000, 4000), 8, 64),
    "500x375": ((375, 500), 64, 1024),
    "320x240": ((240, 320), 64, 1024),
}


@contextmanager
def photographs(size: tuple[int, int], different: int, files: int) -> Iterator[Path]:
    """Yields a folder of JPEGs with detail at every scale, as photographs have, deleted afterwards."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(files):
            path = Path(folder, f"class{index % 2}", f"{index:06}.jpg")
            path.parent.mkdir(exist_ok=True)
            if index >= different:
                earlier = index % different
                path.write_bytes(Path(folder, f"class{earlier % 2}", f"{earlier:06}.jpg").read_bytes())
                continue
            picture, side = np.full((*size, 3), 120, "float32"), 4
            while side < size[0]:
                octave = rng.normal(scale=60 * 4 / side + 4, size=(side, side * 4 // 3, 3)).astype("float32")
                picture += tf.image.resize(octave, size, "bicubic").numpy()
                side *= 2
            picture = tf.cast(tf.clip_by_value(picture, 0, 255), tf.uint8)
            path.write_bytes(tf.io.encode_jpeg(picture, quality=90).numpy())
        yield Path(folder)


def plain(folder: Path, passes: int) -> float:
    """Times Keras."""
    import keras

    return _passes(keras.utils.image_dataset_from_directory(folder, image_size=(SIZE, SIZE), verbose=False), passes)


def ours(folder: Path, passes: int) -> float:
    """Times ours; the files have been checked before, when the data was made."""
    import keras_transfer as kt

    return _passes(kt.data.from_directory(folder, image_size=SIZE, validation_split=0.01).train, passes)


def to_cache(folder: Path, _: int) -> float:
    """Times the one pass from which the activation cache is filled."""
    import keras_transfer as kt

    return _passes(kt.data.from_directory(folder, image_size=SIZE, validation_split=0.01).in_order("train"), 1)


def _passes(dataset: Any, passes: int) -> float:
    def run() -> None:
        for _ in range(passes):
            for _batch in dataset:
                pass

    return timed(run)


def main() -> None:
    """Runs both in turn over each folder, once and ten times."""
    rows = {}
    for name, (size, different, files) in FOLDERS.items():
        with photographs(size, different, files) as folder:
            for passes, what, way in ((1, "to the cache", to_cache), (1, "one pass", ours), (10, "ten passes", ours)):
                ways = {
                    "image_dataset_from_directory": partial(plain, folder, passes),
                    "keras_transfer": partial(way, folder, passes),
                }
                rows[f"{files} of {name}, {what}"] = in_turn(ways)
    report(f"reading and resizing to {SIZE}x{SIZE}", rows)


if __name__ == "__main__":
    main()
