"""tunable: what of a model would be trained, part by part, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import takes
from keras_transfer._keras.still import layers_inside
from keras_transfer.models.freezing import unfrozen_as
from keras_transfer.models.stages import MODEL, layers_before, layers_by_part
from keras_transfer.models.tuning.tuning import ADDED, TUNING, Tuning, tuned, tuning_of
from keras_transfer.schedules.parts import HEAD, UNFROZEN, Unfrozen


@dataclass(frozen=True)
class TunablePart:
    """A stage, or the head.

    Attributes:
        name: of the stage, or "head".
        parameters: number of its weights, statistics included.
        trained: number of those that would be trained.
    """

    name: str
    parameters: int
    trained: int


@dataclass(frozen=True)
class Tunable:
    """The result of `tunable`. `print(found)` shows it as a table.

    Attributes:
        tuning: of the model, in words; None for none.
        parts: from input to output.
        reached: number of the layers with weights in the backbone of which something would be trained.
        passed_over: by class, the number of those of which nothing would be.
    """

    tuning: str | None
    parts: tuple[TunablePart, ...]
    reached: int
    passed_over: dict[str, int]

    @property
    def parameters(self) -> int:
        """Number of all weights."""
        return sum(part.parameters for part in self.parts)

    @property
    def trained(self) -> int:
        """Number of the weights that would be trained."""
        return sum(part.trained for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it as values for JSON."""
        return {**asdict(self), "parameters": self.parameters, "trained": self.trained}

    def __str__(self) -> str:
        width = max(len("part"), *(len(part.name) for part in self.parts))
        lines = [f"{'part':<{width}}{'parameters':>14}{'trained':>14}{'share':>9}"]
        rows = [*self.parts, TunablePart("all", self.parameters, self.trained)]
        for part in rows:
            share = part.trained / max(part.parameters, 1)
            lines.append(f"{part.name:<{width}}{part.parameters:>14,}{part.trained:>14,}{share:>9.2%}")
        over = ", ".join(f"{count} {kind}" for kind, count in self.passed_over.items())
        told = f"{self.tuning or 'no tuning'}: {self.reached} layers of the backbone are reached"
        return "\n".join([*lines, told + (f"; not reached: {over}" if over else "")])


@takes(model=MODEL, unfrozen=UNFROZEN, tuning=TUNING | None)
def tunable(model: keras.Model, unfrozen: Unfrozen = "all", *, tuning: str | Tuning | None = None) -> Tunable:
    """Counts what would be trained of each part of a model, and what a tuning does not reach.

    Args:
        model: a model made by `build_model`; it stays as it is.
        unfrozen: the parts that a phase opens, as in `set_trainable`.
        tuning: as in `tuned`, to ask for the model with it; by default the model as it is.

    Raises:
        InputError: if the model has no such part, or the tuning reaches nothing.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> tunable(model, tuning="bias_and_norm").trained
        5986
    """
    model = model if tuning is None else tuned(model, tuning)
    known = tuning_of(model)
    with unfrozen_as(model, unfrozen):
        parts = tuple(
            TunablePart(name, _size(inside, trained=False), _size(inside, trained=True))
            for name, inside in layers_by_part(model).items()
        )
        leaves = [part for layer in layers_before(model, HEAD) for part in layers_inside(layer)]
        backbone = [part for part in leaves if part.weights and len(layers_inside(part)) == 1]
        trained = [part for part in backbone if any(variable.trainable for variable in part.weights)]
    reached = set(map(id, trained))
    passed_over: dict[str, int] = {}
    for part in backbone:
        if id(part) not in reached and not part.name.startswith(ADDED):
            kind = type(part).__name__
            passed_over[kind] = passed_over.get(kind, 0) + 1
    return Tunable(None if known is None else repr(known), parts, len(trained), passed_over)


def _size(inside: Iterable[keras.layers.Layer], *, trained: bool) -> int:
    variables = {
        id(variable): int(np.prod(variable.shape))
        for layer in inside
        for variable in (layer.trainable_variables if trained else layer.weights)
    }
    return sum(variables.values())
