"""A version in other runtimes: size, speed, differences and accuracy, of MobileNetV2 and ResNet50.

MobileNetV2 has its real weights and is trained on photographs of ants and bees where both lie beside the project, else
it is random like ResNet50: with statistics settled on drawn pictures, so that its answers depend on them. Sizes, times
and the float32 differences hold for any weights. What float16 and int8 lose does not: a random network is so rough a
function of its numbers that little is left of its answers.

    python benchmarks/runtimes.py
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from measure import machine

NETWORKS = tuple(sys.argv[1:]) or ("MobileNetV2", "ResNet50")
SIZE = 224
SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = Path(os.environ.get("KERAS_TRANSFER_WEIGHTS", SHARED / "weights"))
PHOTOGRAPHS = Path(os.environ.get("KERAS_TRANSFER_DATA", SHARED / "data")) / "hymenoptera"
FILES = {"MobileNetV2": "mobilenetv2_1.0_224_notop.weights.h5"}


def main() -> None:
    """Prints a table for each network, and a JSON line."""
    import keras

    import keras_transfer as kt

    for network in NETWORKS:
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        weights = WEIGHTS / FILES.get(network, "none")
        real = weights.is_file() and PHOTOGRAPHS.is_dir()
        model, data = trained(network, weights) if real else settled(network)
        with tempfile.TemporaryDirectory() as folder:
            version = kt.export(model, folder, data=data, verify=False)
            report = kt.compare_runtimes(version, data=data)
        print(f"\n{network}, {'ants and bees' if real else 'random weights'}, {SIZE}x{SIZE}\n{report}")
        print(json.dumps({"network": network, "machine": machine(), **report.to_dict(), "version": None}), flush=True)


def trained(network: str, weights: Path):
    """Trains a new head on the photographs; returns the model and the data."""
    import keras_transfer as kt

    data = kt.data.from_directory(PHOTOGRAPHS, image_size=SIZE, exclude=["*.gif"])
    model = kt.build_model(network, 2, weights=weights, image_size=SIZE)
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=6, verbose=0)
    return model, data


def settled(network: str):
    """Builds a random network whose answers depend on the picture; returns it and drawn pictures."""
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_transfer as kt
    from keras_transfer.data.examples import Examples
    from keras_transfer.models.backbones.applications import BACKBONES

    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (48, 7, 7, 3))
    images = np.clip(tf.image.resize(coarse, (SIZE, SIZE), "bicubic"), 0, 255).astype("uint8")
    part = BACKBONES.find(network)
    base = part.build(None, (SIZE, SIZE), None)
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    some = images[:16].astype("float32")
    base(part.preprocess(some) if part.preprocess else some, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    model = kt.build_model(replace(part, network=base), 3, image_size=SIZE)
    features = kt.split(model, "features")[0].predict(images, verbose=0)
    kernel = rng.normal(size=(features.shape[-1], 3)).astype("float32")
    kernel /= (features @ kernel).std(axis=0)
    model.get_layer("logits").set_weights([kernel, -(features @ kernel).mean(axis=0)])
    labels = model.predict(images, verbose=0).argmax(axis=1)
    splits = {"train": Examples(images[:16], labels[:16]), "validation": Examples(images[16:], labels[16:])}
    return model, kt.data.ImageData(splits, ("a", "b", "c"), (SIZE, SIZE))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
