"""Evidence: what a ranking is told of a network, and the registry of rankings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry
from keras_transfer.features.solving import OBJECTIVES, Candidate, Rows, Solution, solve
from keras_transfer.features.solving.rows import Held
from keras_transfer.tasks import TASKS, UNKNOWN, Classification, SeveralLabels, Task, task_of_labels


@dataclass(frozen=True, eq=False)
class Evidence:
    """The features that a network gives for labelled images.

    Attributes:
        features: float32 `(images, features)`, finite numbers.
        labels: of the images, in the form of their task: int `(images,)` for one class an image.
        outputs: number of classes, labels or values.
        answers: float `(images, source classes)`, the probabilities that the head gives which the network was trained
            with; None where there is no such head.
        groups: number of each image's group, int `(images,)`, which a cross-validation keeps together; None where each
            stands for itself.
        seed: of what is drawn at random.
    """

    features: np.ndarray
    labels: np.ndarray
    outputs: int
    answers: np.ndarray | None = None
    groups: np.ndarray | None = None
    seed: int = 0

    @property
    def task(self) -> Task:
        """The task of the labels."""
        return task_of_labels(self.labels)

    @property
    def classes(self) -> np.ndarray:
        """The class of each image, int `(images,)`, numbered through without gaps.

        Raises:
            InputError: if the images have several labels each, or values.
        """
        if self.task is not TASKS.find(Classification.name):
            raise InputError(
                f"Expected one class an image, for this ranking. Received: {self.task.said_of_labels}. "
                "Rank by 'logme' or 'solved_head'."
            )
        return np.unique(self.labels, return_inverse=True)[1]

    @property
    def targets(self) -> np.ndarray:
        """What a linear model of the features has to give: float64 `(images, outputs)`, NaN where it is not known.

        Of one class an image it is 1 for the class and 0 for others; values are standardised.
        """
        if self.task is TASKS.find(Classification.name):
            return np.eye(max(self.outputs, 2))[self.labels]
        if self.task is TASKS.find(SeveralLabels.name):
            return np.where(self.labels == UNKNOWN, np.nan, self.labels)
        values = self.labels.reshape(len(self.labels), -1).astype(np.float64)
        return (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)

    @cached_property
    def solution(self) -> Solution:
        """The solved head, with its cross-validation."""
        objective = OBJECTIVES.find(self.task.activation)
        outputs = max(self.outputs, 2) if self.task is TASKS.find(Classification.name) else self.outputs
        labels, strata = objective.fitted(self.labels, outputs), self.task.strata(self.labels)
        if self.groups is not None and not self.task.needs_classes:
            strata = None  # groups come before strata
        rows = Rows(Held(self.features), labels, np.ones(len(labels), np.float32), strata, self.groups)
        return solve(rows, objective, outputs, seed=self.seed)

    @property
    def checked(self) -> Candidate | None:
        """The strength of the penalty with the smallest loss in the cross-validation; None where there was none."""
        path = self.solution.path
        return min(path, key=lambda candidate: candidate.loss) if path else None


Ranking: TypeAlias = Callable[[Evidence], float]
RANKINGS: Registry[Ranking] = Registry("ranking", callable, "a function of an Evidence that returns a number")
