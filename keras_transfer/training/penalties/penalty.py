"""Penalty: the base class of what is added to the loss so that training keeps near what was pretrained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import tensorflow as tf

from keras_transfer._arguments import Constraint
from keras_transfer._checks import InputError
from keras_transfer._registry import Registry

Pairs = Sequence[tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True, eq=False)
class Step:
    """What a penalty is told of one training step: the network as it is, and as it was before training.

    Attributes:
        weights: of the backbone that are trained, as pairs of what they are and what they were.
        head: weights of the head that are trained; they were random, or those of another head.
        features: float32 `(batch, channels)`, the pooled vectors; None where they do not change, since the head alone
            is trained.
    """

    weights: Pairs
    head: Sequence[tf.Tensor]
    features: tf.Tensor | None
    _maps: Callable[[], Pairs] = field(default=tuple, repr=False)

    @cached_property
    def maps(self) -> Pairs:
        """The activations `(batch, ..., channels)` at the ends of the stages, as pairs of what they are and were.

        The network as it was runs for them; nothing is learnt through it.
        """
        return self._maps()


class Penalty(ABC):
    """What is added to the loss of each training step. A penalty of your own is a subclass, or a function of a `Step`.

    It is not part of the validation loss, nor of the saved model.
    """

    @abstractmethod
    def loss(self, step: Step) -> tf.Tensor:
        """Returns what is added, a float32 scalar."""

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({values})"


class FromFunction(Penalty):
    """A penalty that is a plain function of a step.

    Args:
        function: of a `Step`, that returns a scalar.
    """

    def __init__(self, function: Callable[[Step], tf.Tensor]):
        self.function = function

    def loss(self, step: Step) -> tf.Tensor:
        """Returns what the function returns."""
        return tf.cast(self.function(step), tf.float32)


class Together(Penalty):
    """The sum of several penalties.

    Args:
        penalties: objects.
    """

    def __init__(self, penalties: Sequence[Penalty]):
        self.penalties = tuple(penalties)

    def loss(self, step: Step) -> tf.Tensor:
        """Returns the sum."""
        return tf.add_n([each.loss(step) for each in self.penalties])


PENALTIES: Registry[Any] = Registry("penalty", callable, "a Penalty, a function of a step, or a list of these")


class _Penalties(Constraint):
    """A penalty, or several."""

    words = PENALTIES.words

    def accepts(self, value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return len(value) > 0 and all(self.accepts(each) for each in value)
        return isinstance(value, Penalty) or (callable(value) and not isinstance(value, type)) or value in _names(value)


def _names(value: Any) -> list[str]:
    return PENALTIES.names() if isinstance(value, str) else []


PENALTY = _Penalties()


def find_penalty(penalty: str | Penalty | Callable[[Step], tf.Tensor] | Sequence[Any]) -> Penalty:
    """Returns the penalty of that name with its default values, one of a function, the sum of a list, or the object.

    Raises:
        InputError: if no penalty has the name, or the object cannot be one.
    """
    if isinstance(penalty, Penalty):
        return penalty
    if isinstance(penalty, str):
        found = PENALTIES.find(penalty)
        return found() if isinstance(found, type) else find_penalty(found)
    if isinstance(penalty, (list, tuple)) and penalty:
        return Together([find_penalty(each) for each in penalty])
    if callable(penalty) and not isinstance(penalty, type):
        return FromFunction(penalty)
    raise InputError(f"Expected `penalty` to be {PENALTIES.words}. Received: penalty={penalty!r}.")
