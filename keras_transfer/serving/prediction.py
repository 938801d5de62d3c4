"""Prediction: what a served model says of one example."""

from __future__ import annotations

from dataclasses import dataclass


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

    def __str__(self) -> str:
        shown = [self.class_name] if self.labels == (self.class_name,) else self.labels or list(self.probabilities)
        said = ", ".join(f"{name} {self.probabilities[name]:.3f}" for name in shown)
        return said if self.known else f"not known, likeliest {said}"
