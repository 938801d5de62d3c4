"""The contract of backbones."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_transfer.models.backbones.backbone import Backbone
from keras_transfer.models.building import build_model
from keras_transfer.models.freezing import set_trainable
from keras_transfer.models.stages import layers_before, split, stages
from keras_transfer.schedules.parts import HEAD
from keras_transfer.testing.contract import require


def check_backbone(backbone: str | Backbone | keras.Model, image_size: int, **options: Any) -> None:
    """Checks that stages are in order and cover the network, that cuts are exact, and that frozen parts stand still.

    Args:
        backbone: as for `build_model`.
        image_size: height and width in pixels; small ones are quick.
        **options: further arguments of `build_model`, such as `weights=None`.

    Raises:
        BrokenContract: if it does not.
        InputError: if the backbone cannot be built.

    Example:
        >>> own = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3), keras.layers.Dropout(0.5)])
        >>> check_backbone(own, image_size=16)
    """
    model = build_model(backbone, 2, image_size=image_size, **options)
    images = np.random.default_rng(0).integers(0, 256, (4, image_size, image_size, 3)).astype("uint8")
    require(np.array_equal(model(images), model(images.astype("float32"))), "the same outputs for uint8 and float32")
    names = stages(model)
    sizes = [len(layers_before(model, name)) for name in (*names, HEAD)]
    require(sizes == sorted(set(sizes)), "stages in their order, each with layers of its own", list(names))
    for at in (*names, "features"):
        prefix, suffix = split(model, at)
        require(np.array_equal(suffix(prefix(images)), model(images)), f"an exact cut at {at!r}")
    set_trainable(model, HEAD)
    before = [np.array(weight) for weight in split(model, "features")[0].weights]
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    model.fit(images, np.arange(4) % 2, batch_size=2, verbose=0)
    frozen = split(model, "features")[0]
    still = all(np.array_equal(old, new) for old, new in zip(before, frozen.weights, strict=True))
    require(still, "frozen weights and statistics that training leaves alone")
    require(
        np.array_equal(frozen(images, training=True), frozen(images)), "the same features in training, while frozen"
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        again = keras.models.load_model(Path(folder) / "model.keras", compile=False)
    require(stages(again) == names, "the same stages after a reload", list(stages(again)))
    require(np.array_equal(again(images), model(images)), "the same outputs after a reload")
