"""Where MixStyle takes hold of a network: in what enters its first open stage, and in what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._keras.still import calling
from keras_transfer.models.stages import marks_of_stages

Mix = Callable[..., tf.Tensor]  # a feature map, and the number of its place


@contextmanager
def mixing_styles(model: keras.Model, mix: Mix) -> Iterator[Callable[[Any], Any]]:
    """Mixes styles while a model runs, and yields what its input goes through first.

    The marks at the ends of stages compute nothing; for a while they mix. What enters the first open stage is the input
    itself where the model is a part behind frozen stages. Where the head alone is open nothing is mixed: a vector has
    no style.
    """
    is_part = not any(layer.name == "images" for layer in model.layers)
    marks = marks_of_stages(model)
    frozen = list(takewhile(lambda mark: not mark.trainable, marks))
    opened = marks[len(frozen) :]
    before, after = (frozen[-1:], opened[:1] if len(opened) > 1 else []) if opened else ([], [])
    places = [*((mark, 0) for mark in before), *((mark, 1) for mark in after)]
    with calling((mark, partial(mix, place=place)) for mark, place in places):
        yield partial(mix, place=0) if is_part and opened else (lambda images: images)
