"""The documented recipe of Keras, as plainly and as fast as its guide has it, and the same task done with ours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from measure import SIZE

import keras_transfer as kt
from keras_transfer.models.stages import layers_by_part

# KerasHub's backbones, by class and options; it has no MobileNetV2
HUB: dict[str, tuple[str, dict[str, Any]]] = {
    "EfficientNetB0": (
        "EfficientNetBackbone",
        {
            "stackwise_kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
            "stackwise_num_repeats": [1, 2, 2, 3, 3, 4, 1],
            "stackwise_input_filters": [32, 16, 24, 40, 80, 112, 192],
            "stackwise_output_filters": [16, 24, 40, 80, 112, 192, 320],
            "stackwise_expansion_ratios": [1, 6, 6, 6, 6, 6, 6],
            "stackwise_squeeze_and_excite_ratios": [0.25] * 7,
            "stackwise_strides": [1, 2, 2, 2, 1, 2, 1],
            "stackwise_block_types": ["v1"] * 7,
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
            "input_shape": (SIZE, SIZE, 3),
        },
    ),
    "ResNet50": (
        "ResNetBackbone",
        {
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64, 128, 256, 512],
            "stackwise_num_blocks": [3, 4, 6, 3],
            "stackwise_num_strides": [1, 2, 2, 2],
            "block_type": "bottleneck_block",
            "image_shape": (SIZE, SIZE, 3),
        },
    ),
    "VGG16": (
        "VGGBackbone",
        {
            "stackwise_num_repeats": [2, 2, 3, 3, 3],
            "stackwise_num_filters": [64, 128, 256, 512, 512],
            "image_shape": (SIZE, SIZE, 3),
        },
    ),
}


class EpochTimes(keras.callbacks.Callback):
    """Notes the seconds of each epoch's training steps and validation."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start = tf.timestamp()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seconds.append(float(tf.timestamp() - self._start))


def keras_model(network: str) -> keras.Model:
    """Builds the model of Keras' guide: a frozen base called with training=False, pooling, a new head."""
    module = {"MobileNetV2": "mobilenet_v2", "EfficientNetB0": "efficientnet", "ResNet50": "resnet", "VGG16": "vgg16"}
    preprocess = getattr(keras.applications, module[network]).preprocess_input
    base = getattr(keras.applications, network)(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    base.trainable = False
    images = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.GlobalAveragePooling2D()(base(preprocess(images), training=False))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(features))


def hub_model(network: str) -> keras.Model | None:
    """Builds the task of KerasHub for the same network, base frozen, where KerasHub is installed and has it."""
    if network not in HUB or find_spec("keras_hub") is None:
        return None
    import keras_hub

    name, options = HUB[network]
    base = getattr(keras_hub.models, name)(**options)
    base.trainable = False
    return keras_hub.models.ImageClassifier(backbone=base, num_classes=2, activation="softmax")


def keras_data(folder: Path, batch_size: int = 32) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Reads the folder as the guide does; decoded pictures are kept in memory, the fastest that it has."""
    read = lambda split: keras.utils.image_dataset_from_directory(  # noqa: E731
        folder / split, image_size=(SIZE, SIZE), batch_size=None, shuffle=False, verbose=False
    )
    train = read("train").cache().shuffle(10_000, seed=0).batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return train, read("val").batch(batch_size).cache().prefetch(tf.data.AUTOTUNE)


def keras_phase(model: keras.Model, data: Any, unfrozen: Sequence[str], rate: float, epochs: int, *callbacks) -> None:
    """Opens layers of the base by name, compiles again, and fits."""
    base = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    base.trainable = bool(unfrozen)
    for layer in base.layers:
        layer.trainable = layer.name in unfrozen and not isinstance(layer, keras.layers.BatchNormalization)
    keras_fit(model, data, rate, epochs, *callbacks)


def keras_fit(model: keras.Model, data: Any, rate: float, epochs: int, *callbacks) -> None:
    """Compiles and fits."""
    train, validation = data
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=validation, epochs=epochs, verbose=0, callbacks=list(callbacks))


def our_model(network: str) -> keras.Model:
    """Builds the same task with ours."""
    return kt.build_model(network, 2, weights=None, image_size=SIZE)


def stage_layers(network: str, number: int) -> list[str]:
    """Names the layers of the last stages of a network, which plain Keras has under the same names."""
    model = our_model(network)
    names = kt.stages(model)
    parts = layers_by_part(model)
    return [layer.name for stage in names[len(names) - number :] for layer in parts[stage]]


def our_data(folder: Path) -> kt.data.ImageData:
    """Reads the same folder with ours."""
    return kt.data.from_directory(folder, image_size=SIZE)
