"""The frozen recipe with KerasHub's task, as its guide writes it: twenty epochs of an ImageClassifier's head.

`python benchmarks/frozen_kerashub.py FOLDER NETWORK EPOCHS` prints the seconds of twenty epochs, those after EPOCHS
counted as the mean of the ones after the first. It needs keras-hub: `solved_head.py` runs it by the Python that the
variable `KERASHUB_PYTHON` names. KerasHub has no MobileNetV2.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sys
import time
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import keras
import keras_hub

SIZE, EPOCHS = 160, 20
BACKBONES = {
    "EfficientNetB0": partial(
        keras_hub.models.EfficientNetBackbone,
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_squeeze_and_excite_ratios=[0.25] * 7,
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_block_types=["v1"] * 7,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        input_shape=(SIZE, SIZE, 3),
    ),
    "ResNet50": partial(
        keras_hub.models.ResNetBackbone,
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[3, 4, 6, 3],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="bottleneck_block",
        image_shape=(SIZE, SIZE, 3),
    ),
    "VGG16": partial(
        keras_hub.models.VGGBackbone,
        stackwise_num_repeats=[2, 2, 3, 3, 3],
        stackwise_num_filters=[64, 128, 256, 512, 512],
        image_shape=(SIZE, SIZE, 3),
    ),
}


class Epochs(keras.callbacks.Callback):
    """Keeps the seconds of each epoch."""

    seconds: list[float]

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins a list."""
        self.seconds = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the time."""
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps what the epoch took, with its validation."""
        self.seconds.append(time.perf_counter() - self._begin)


def main() -> None:
    """Prints the seconds from the files to a head with validation accuracy."""
    folder, network, run = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    classifier = keras_hub.models.ImageClassifier(BACKBONES[network](), num_classes=2)
    classifier.backbone.trainable = False
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    epochs, begin = Epochs(), time.perf_counter()
    read = partial(keras.utils.image_dataset_from_directory, image_size=(SIZE, SIZE), verbose=False)
    train, validation = read(folder / "train", seed=0), read(folder / "val", shuffle=False)
    classifier.fit(train, validation_data=validation, epochs=run, callbacks=[epochs], verbose=0)
    spent = time.perf_counter() - begin
    print(spent + (EPOCHS - run) * mean(epochs.seconds[1:]) if run < EPOCHS else spent)


if __name__ == "__main__":
    main()
