"""LoRA: a product of two thin matrices is added to each kernel, and trained in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import keras
import numpy as np
from keras import layers

from keras_transfer._arguments import Number, Whole
from keras_transfer._keras.still import layers_inside
from keras_transfer.models.tuning.tuning import TUNINGS, Tuning

_MERGED = "_merged_by_keras"
_REACHED = (layers.Dense, layers.EinsumDense, layers.Embedding, layers.Conv1D, layers.Conv2D, layers.Conv3D)


@TUNINGS.register("lora")
class LoRA(Tuning):
    """Trains `kernel + alpha / rank · A B` in place of the kernel, where A is `(..., in, rank)` and B `(rank, out)`.

    Hu and others, "LoRA: Low-Rank Adaptation of Large Language Models" (2022), equation 3,
    https://arxiv.org/abs/2106.09685, by Keras' own `enable_lora`. It reaches Dense, EinsumDense, Embedding and
    convolutions, also inside others, as in the blocks of transformers; depthwise and separable convolutions and
    normalisations it does not. B is zero at first. Keras leaves biases open, and kernels too once `trainable` is set;
    here A and B alone are trained. Folded, the product is part of the kernel.

    Args:
        rank: of the product, 1 or more. Layers with fewer inputs or outputs than that are left as they are.
        alpha: the scale of the product, over the rank; by default the rank.
        seed: of the values that A has at first.

    Raises:
        InputError: if a value is out of range; in `tuned`, if no layer is as wide as the rank.
    """

    name = "lora"

    def __init__(self, rank: int = 4, alpha: float | None = None, seed: int = 0):
        self.rank, self.seed = Whole(1)("rank", rank), Whole(0)("seed", seed)
        self.alpha = (Number(0, above=True) | None)("alpha", alpha)

    def prepare(self, layer: layers.Layer) -> None:
        if isinstance(layer, _REACHED) and self._fits(layer) and not layer.lora_enabled:
            layer.enable_lora(self.rank, lora_alpha=self.alpha, a_initializer=self._start(layer))

    def revive(self, layer: layers.Layer) -> None:
        """Gives A values again where both matrices are zero: so Keras loads them, with the product in the kernel."""
        if _is_zero(layer):
            thin = self.opened(layer)
            thin[0].assign(self._start(layer)(thin[0].shape))
            vars(layer)[_MERGED] = True

    def opened(self, layer: layers.Layer) -> Sequence[keras.Variable]:
        found = (value for name, value in sorted(vars(layer).items()) if name.startswith("lora_"))
        return [value for value in found if isinstance(value, keras.Variable)]

    def plain_config(self, config: Any, model: keras.Model) -> Any:
        return {name: value for name, value in config.items() if name not in ("lora_rank", "lora_alpha")}

    def plain_weights(self, layer: layers.Layer, model: keras.Model) -> list[np.ndarray]:
        changed = [part for part in layers_inside(layer) if getattr(part, "lora_enabled", False)]
        thin = {id(variable) for part in changed for variable in self.opened(part)}
        plain = {}
        for part in changed:  # the kernel comes first
            kernel = next(variable for variable in part.weights if id(variable) not in thin)
            plain[id(kernel)] = _kernel_of(part)
        kept = [variable for variable in layer.weights if id(variable) not in thin]
        return [keras.ops.convert_to_numpy(plain.get(id(variable), variable)) for variable in kept]

    def _start(self, layer: layers.Layer) -> keras.initializers.Initializer:
        return keras.initializers.HeUniform(seed=self.seed + crc32(layer.name.encode()))

    def _fits(self, layer: layers.Layer) -> bool:
        constraint = "embeddings_constraint" if isinstance(layer, layers.Embedding) else "kernel_constraint"
        shape = _kernel_of(layer).shape
        return getattr(layer, constraint) is None and self.rank <= min(int(np.prod(shape[:-1])), shape[-1])


def _kernel_of(layer: layers.Layer) -> Any:
    """Returns the kernel that a layer computes with: with the product, once there is one."""
    return layer.embeddings if isinstance(layer, layers.Embedding) else layer.kernel


def _is_zero(layer: layers.Layer) -> bool:
    """Says whether Keras has loaded a layer, with the product in the kernel and zero in both matrices."""
    thin = [value for name, value in vars(layer).items() if name.startswith("lora_") and hasattr(value, "assign")]
    return bool(thin) and not any(np.asarray(matrix).any() for matrix in thin)


def was_merged(model: keras.Model) -> bool:
    """Says whether kernels of a model hold products that were trained, since Keras has saved and loaded it."""
    return any(_MERGED in vars(layer) or _is_zero(layer) for layer in layers_inside(model))


def saved_otherwise(model: keras.Model) -> list[keras.Variable]:
    """Returns the variables that a file of Keras does not hold as they are: it has their product in the kernel."""
    changed = [layer for layer in layers_inside(model) if getattr(layer, "lora_enabled", False)]
    return [variable for layer in changed for variable in layer.weights]
