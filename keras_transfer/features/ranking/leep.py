"""LEEP: how well the answers of the head that a network was trained with tell the classes of the task."""

from __future__ import annotations

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.features.ranking.evidence import RANKINGS, Evidence


@RANKINGS.register("leep")
def leep(evidence: Evidence) -> float:
    """Returns the mean of `log sum_z P(y | z) P(z | x)` over the images, 0 or less; higher is better.

    z are the classes that the network was trained on, and P(y | z) is counted on the same images. Nguyen, Hassner,
    Seeger and Archambeau, "LEEP: A New Measure to Evaluate Transferability of Learned Representations" (2020),
    equations 1 and 2, https://arxiv.org/abs/2002.12462.

    Raises:
        InputError: if there is no such head, or the images have several labels each, or values.
    """
    classes = evidence.classes
    if evidence.answers is None:
        raise InputError("Expected a network with the head that it was trained with, for 'leep'. Received: none.")
    return expected_prediction(evidence.answers.astype(np.float64), classes)


def expected_prediction(answers: np.ndarray, classes: np.ndarray) -> float:
    """Returns the mean logarithm of the probability of the true class, told by probabilities of other classes.

    Args:
        answers: float64 `(images, others)`, the probabilities of the others, which sum to 1.
        classes: int `(images,)`.
    """
    joint = np.stack([answers[classes == number].sum(axis=0) for number in range(classes.max() + 1)]) / len(answers)
    given = joint / np.maximum(joint.sum(axis=0), 1e-300)  # P(y | z), (classes, others)
    return float(np.log(np.maximum((answers @ given.T)[np.arange(len(classes)), classes], 1e-300)).mean())
