"""Frozen: an exported version as one flat graph of constants, the input of all converters.

A SavedModel has variables, captured constants and calls of other functions. Converters fail on these. A captured
constant becomes an extra input; a function marked for XLA stays a call that no other runtime supports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.engines.freezing import FrozenGraph, save_frozen
from keras_transfer.engines.freezing import freeze as freeze_function
from keras_transfer.serving.description import Description

Answer = Callable[[np.ndarray], np.ndarray]

_BATCH = 16


@dataclass(frozen=True, eq=False)
class Frozen:
    """An exported version as a graph of constants.

    Attributes:
        description: description of the version.
        graph: without variables and functions, from images in [0, 255], or what else the version takes, to outputs,
            float32 `(batch, num_classes)`.
        saved_model: folder of the same graph as a SavedModel. Its one signature takes `images`, or `waveforms`, or
            `tokens`, and returns the output under its name in the version ("probabilities" or "values").
        reference: function that runs the version as it was exported, from images to outputs.
    """

    description: Description
    graph: FrozenGraph
    saved_model: Path
    reference: Answer


def freeze(version: Path, description: Description, folder: Path) -> Frozen:
    """Freezes the signature of an exported version that takes tensors: `predict_images`, `predict_tokens` or another.

    Args:
        version: folder of the version.
        description: description of the version.
        folder: folder to which the frozen SavedModel is written.

    Raises:
        InputError: if the version has no such signature.
    """
    kind = description.kind
    kind.prepare_runtime()
    module, name = _load(version), f"predict_{kind.tensor}"
    signature = module.signatures.get(name)
    if signature is None or description.output not in signature.structured_outputs:
        raise InputError(
            f"Expected a version with the signature {name!r} that returns {description.output!r}; export it again "
            f"with this version of keras_transfer. Received: {str(version)!r} with {sorted(module.signatures)}."
        )
    images = tf.TensorSpec((None, *kind.spec.shape), kind.dtype, name=kind.tensor)

    @tf.function(input_signature=[images], autograph=False)
    def numbers(images: tf.Tensor) -> tf.Tensor:
        return signature(**{kind.tensor: images})[description.output]

    frozen = freeze_function(numbers.get_concrete_function())
    save_frozen(frozen, images, [description.output], folder)
    reference = _answers_of(signature, description, module)
    return Frozen(description, frozen, folder, reference)


def open_frozen(frozen: Frozen) -> Answer:
    """Loads the frozen SavedModel. Returns a function from images to outputs, like `Format.open`."""
    module = _load(frozen.saved_model)
    return _answers_of(module.signatures["serving_default"], frozen.description, module)


def as_input(images: np.ndarray) -> np.ndarray:
    """Returns a batch in the form that files take: whole numbers of tokens as they are, all else as float32."""
    return images if images.dtype == np.int32 else images.astype(np.float32)


def in_batches(answer: Answer, images: np.ndarray) -> np.ndarray:
    """Runs `answer` on images `(count, height, width, 3)` in small batches, and concatenates the outputs."""
    starts = range(0, len(images), _BATCH)
    return np.concatenate([answer(as_input(images[start : start + _BATCH])) for start in starts])


def _answers_of(signature: Any, description: Description, module: Any) -> Answer:
    def answer(images: np.ndarray, held: Any = module) -> np.ndarray:  # `held` keeps the module alive
        with tf.device("/CPU:0"):  # the other runtimes use the CPU; a GPU rounds differently
            given = {description.kind.tensor: tf.constant(images)}
            return signature(**given)[description.output].numpy()

    return answer


def _load(version: Path) -> Any:
    try:
        return tf.saved_model.load(str(version))
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a SavedModel in {str(version)!r}. {error}") from error
