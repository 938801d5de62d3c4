"""Applies MixStyle inside a network: to the inputs and outputs of its first open stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._keras.still import calling
from keras_transfer.models.stages import marks_of_stages

Mix = Callable[..., tf.Tensor]  # takes a feature map and `place`, the number of its place in the network


def check_mixable(model: keras.Model) -> None:
    """Raises InputError if a model has fewer than two stages: styles are mixed between stages."""
    count = len(marks_of_stages(model))
    if count < 2:
        raise InputError(
            "Expected a network of two stages or more for 'mixstyle', which mixes styles between stages. Received: "
            f"{count}. Say where stages end: build_model(kt.Backbone(network, stages=...), ...)."
        )


@contextmanager
def mixing_styles(model: keras.Model, mix: Mix) -> Iterator[Callable[[Any], Any]]:
    """Mixes styles while a model runs, and yields a function that its input must go through first.

    Styles are mixed in what enters the first open stage and in what leaves it: the marks at the ends of stages, which
    else return their input, mix. If the model is the part behind frozen stages, what enters it is mixed instead. While
    the head alone is open nothing is mixed: a vector has no style.
    """
    is_part = not any(layer.name == "images" for layer in model.layers)
    marks = marks_of_stages(model)
    frozen = list(takewhile(lambda mark: not mark.trainable, marks))
    opened = marks[len(frozen) :]
    before, after = (frozen[-1:], opened[:1] if len(opened) > 1 else []) if opened else ([], [])
    places = [*((mark, 0) for mark in before), *((mark, 1) for mark in after)]
    with calling((mark, partial(mix, place=place)) for mark, place in places):
        yield partial(_mix_last, mix) if is_part and opened else (lambda images: images)


def _mix_last(mix: Mix, inputs: Any) -> Any:
    """Mixes styles in what the stage before a part gives: of several tensors that enter the part, it is the last."""
    *others, last = keras.tree.flatten(inputs)
    return keras.tree.pack_sequence_as(inputs, [*others, mix(last, place=0)])
