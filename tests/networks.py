"""Networks for the tests: small ones of our own, and beginnings and doubles of those in `keras.applications`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.backbones.copying import end_of_stage
from keras_transfer.models.heads import HEADS, takes_maps


def toy_network() -> keras.Model:
    """A network with all that must be frozen with care: BatchNorm, Dropout, noise and a skip connection."""
    layers = keras.layers
    images = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(images)
    x = layers.BatchNormalization(name="first_bn")(x)
    early = layers.Activation("relu", name="early_end")(x)
    x = layers.Conv2D(8, 3, padding="same", name="second")(early)
    x = layers.BatchNormalization(name="second_bn")(x)
    x = layers.Dropout(0.3, name="second_dropout")(x)
    middle = layers.Add(name="middle_end")([x, early])
    x = layers.GaussianNoise(0.5, name="noise")(middle)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="third")(x)
    x = layers.BatchNormalization(name="third_bn")(x)
    return keras.Model(images, layers.Activation("relu", name="late_end")(x), name="toy")


def toy_backbone() -> kt.Backbone:
    stages = (("early", "early_end"), ("middle", "middle_end"), ("late", ""))
    return kt.Backbone(toy_network(), lambda images: images / 127.5 - 1, 32, stages=stages)


def make_lively(network: keras.Model, part: kt.Backbone, images: np.ndarray) -> None:
    """Settles BatchNorm on the images themselves: with random weights features would be constants, and tests blind."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.full(3, 0.45), np.full(3, 0.05), np.array(0)])
            layer.finalize_state()
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    inputs = images.astype("float32")
    network(part.preprocess(inputs) if part.preprocess else inputs, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


# Large networks in short: up to a stage by which every kind of layer of the whole has occurred.
BEGINNINGS = (
    "ConvNeXtTiny up to stage0",
    "EfficientNetB0 up to block2",
    "InceptionV3 up to mixed2",
    "MobileNetV2 up to block3",
    "ResNet50 up to conv2",
)


def part_named(name: str) -> kt.Backbone:
    """A network of the table, "toy", or the beginning of one of the table, such as "ResNet50 up to conv2"."""
    if name == "toy":
        return toy_backbone()
    name, _, last = name.partition(" up to ")
    part = BACKBONES.find(name)
    if not last:
        return part
    stages = part.stages[: 1 + [stage for stage, _ in part.stages].index(last)]

    def network(*, weights, input_shape, **options) -> keras.Model:
        whole = part.build(weights, input_shape[:2], options)
        return keras.Model(whole.input, end_of_stage(whole, stages[-1][1]), name=f"{whole.name}_{last}")

    return replace(part, network=network, stages=(*stages[:-1], (last, "")))


def double(name: str) -> kt.Backbone:
    """A small network under the name of one of the table, with its preprocessing and the names of its stages."""
    part = BACKBONES.find(name)

    def network(*, weights, input_shape, **options) -> keras.Model:
        known = inspect.signature(getattr(keras.applications, name)).parameters
        assert set(options) <= set(known), f"options of {name} are {list(known)}"
        layers = keras.layers
        images = x = keras.Input(input_shape)
        for index, (stage, _) in enumerate(part.stages):
            x = layers.Conv2D(8, 3, strides=2 if index < 3 else 1, padding="same", name=f"{stage}_conv")(x)
            if index == 0:
                x = layers.BatchNormalization(name=f"{stage}_bn")(x)
            x = layers.ReLU(name=f"{stage}_end")(x)
        return keras.Model(images, x, name=name)

    stages = [(stage, f"{stage}_end") for stage, _ in part.stages]
    return replace(part, network=network, min_image_size=32, stages=(*stages[:-1], (stages[-1][0], "")))


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Builds what is built inside in a dtype policy of Keras; skips the test where the machine cannot compute in it."""
    dtype = keras.DTypePolicy(policy).compute_dtype
    try:
        keras.ops.conv(keras.ops.ones((1, 3, 3, 1), dtype), keras.ops.ones((3, 3, 1, 1), dtype))
    except tf.errors.AbortedError:
        pytest.skip(f"oneDNN cannot convolve in {dtype} here: leave ONEDNN_MAX_CPU_ISA unset.")
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


@contextmanager
def doubled() -> Iterator[None]:
    """Small networks in place of those of the table, under their names: what is by name goes its whole way, fast."""
    with pytest.MonkeyPatch.context() as patch:
        for name in BACKBONES.names():
            patch.setitem(BACKBONES._parts, name, double(name))
        yield


def poolings_and_heads(*, of_pixels: bool = True) -> list[Any]:
    """Every pooling with every head, as parameters: all but those with the default of one are slow tests.

    Heads that answer for every pixel take no pooling; they are among them once, or not at all.
    """
    return [
        pytest.param(pooling, head, marks=() if pooling == "avg" or head == "linear" else pytest.mark.slow)
        for pooling in kt.available("pooling")
        for head in kt.available("head")
        if (pooling == "avg" and of_pixels) or not takes_maps(HEADS.find(head))
    ]
