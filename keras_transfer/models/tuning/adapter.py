"""Adapter: small layers between the frozen ones, which add to what passes."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, layers

from keras_transfer._arguments import Choice, Whole
from keras_transfer._keras.graph import nodes
from keras_transfer.models.stages import marks_of_stages
from keras_transfer.models.tuning.tuning import ADDED, TUNINGS, Tuning


@TUNINGS.register("adapter")
class Adapter(Tuning):
    """Trains `x + up(relu(depthwise(down(x))))` at the end of each stage, or of each residual block.

    For the vectors of tokens there is no `depthwise`, as in the first paper.

    Houlsby and others, "Parameter-Efficient Transfer Learning for NLP" (2019), section 2.1,
    https://arxiv.org/abs/1902.00751, with the depthwise convolution of Chen and others, "Conv-Adapter: Exploring
    Parameter Efficient Transfer Learning for ConvNets" (2022), equation 3, https://arxiv.org/abs/2208.07463. `up` is
    zero at first. Adapters are not linear, so they stay in an export as a few small layers.

    Args:
        reduction: the bottleneck has the channels over this number, 1 or more; 8 channels at least.
        where: "stages" for the ends of stages, "blocks" for what each residual connection gives.

    Raises:
        InputError: if a value is out of range; in `tuned`, if the network has no residual connections.
    """

    name = "adapter"
    folds = False

    def __init__(self, reduction: int = 32, where: str = "stages"):
        self.reduction = Whole(1)("reduction", reduction)
        self.where = Choice("stages", "blocks")("where", where)

    def call(self, operation: keras.Operation, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        if self.where == "stages":
            ends = {mark.name for mark in marks_of_stages(model)}
            if operation.name in ends:
                return operation(self._adapted(args[0], operation), *args[1:], **kwargs)
            return operation(*args, **kwargs)
        output = operation(*args, **kwargs)
        once = sum(node.operation.name == operation.name for node in nodes(model)) == 1
        return self._adapted(output, operation) if isinstance(operation, layers.Add) and once else output

    def _adapted(self, inputs: KerasTensor, operation: keras.Operation) -> KerasTensor:
        """Returns the inputs with what the adapter adds; the inputs themselves where they are no map of channels."""
        if len(inputs.shape) not in (3, 4) or inputs.shape[-1] is None:
            return inputs
        channels = inputs.shape[-1]
        named = f"{ADDED}{operation.name}"
        dtype = operation.dtype_policy
        narrow = max(channels // self.reduction, 8)
        hidden = layers.Dense(narrow, dtype=dtype, name=f"{named}_down")(inputs)  # a convolution of one place
        if len(inputs.shape) == 4:
            hidden = layers.DepthwiseConv2D(3, padding="same", dtype=dtype, name=f"{named}_depthwise")(hidden)
        hidden = layers.Activation("relu", dtype=dtype, name=f"{named}_relu")(hidden)
        added = layers.Dense(channels, kernel_initializer="zeros", dtype=dtype, name=f"{named}_up")(hidden)
        return layers.Add(dtype=dtype, name=f"{named}_add")([inputs, added])
