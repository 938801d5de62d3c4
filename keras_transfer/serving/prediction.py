"""Prediction: what a served model says of one example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.serving.description import Description
from keras_transfer.serving.signatures import known_in, possible_in


@dataclass(frozen=True)
class Prediction:
    """The prediction of a served model for one example.

    Attributes:
        class_name: name of the class with the highest output.
        probability: the highest output: a probability in [0, 1], or a value for regression.
        probabilities: the output of every class, by name.
        labels: the predicted labels. For one class an example: its name. For several labels: all with a
            probability above one half. For regression: empty.
        possible: the classes among which the true one is with the chance that `export(coverage=...)` was given, the
            most probable first; empty without it.
        known: whether the class is sure enough to be an answer, by `export(min_accuracy=...)`; True without it. If it
            is False the model says: I do not know.
    """

    class_name: str
    probability: float
    probabilities: dict[str, float]
    labels: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    known: bool = True

    @classmethod
    def of(cls, row: np.ndarray, description: Description) -> Prediction:
        """Returns what the outputs for one example stand for, float32 `(num_classes,)`."""
        names = description.class_names
        by_name = dict(zip(names, map(float, row), strict=True))
        possible: tuple[str, ...] = ()
        if description.possible_from is not None:
            inside = possible_in(tf.constant(row), description).numpy()
            possible = tuple(names[place] for place in np.argsort(-row, kind="stable") if inside[place])
        known = description.known_from is None or bool(known_in(tf.constant(row), description))
        labels = description.task.found(row, names)
        return cls(names[int(row.argmax())], float(row.max()), by_name, labels, possible, known)

    def to_dict(self) -> dict[str, Any]:
        """Returns the class and all probabilities, ready for JSON."""
        return {"class_name": self.class_name, "probabilities": self.probabilities}

    def __str__(self) -> str:
        shown = [self.class_name] if self.labels == (self.class_name,) else self.labels or list(self.probabilities)
        said = ", ".join(f"{name} {self.probabilities[name]:.3f}" for name in shown)
        return said if self.known else f"not known, likeliest {said}"
