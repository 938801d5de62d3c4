"""Validators: estimate how good a model is on the target without labels of the target. Higher is better.

A validator is a function `(source, target) -> number` of two `Outputs`, computed from validation images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry

_SMALL = 1e-12


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of a model for the images of one domain.

    Attributes:
        features: float32 `(count, channels)`, the inputs of the last layer with weights.
        probabilities: float32 `(count, num_classes)`; each row sums to 1.
        labels: int `(count,)`; None for a target, because no validator sees its labels.
    """

    features: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray | None = None


Validator = Callable[[Outputs | None, Outputs | None], float]
VALIDATORS: Registry[Validator] = Registry("validator", callable, "a function of two kt.validators.Outputs")


@VALIDATORS.register("source_accuracy")
def source_accuracy(source: Outputs | None, target: Outputs | None) -> float:
    """Returns the accuracy on the source, in [0, 1]. It does not look at the target.

    Raises:
        InputError: if there is no labelled source.

    Example:
        >>> two = Outputs(np.zeros((2, 1)), np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
        >>> source_accuracy(two, None)
        0.5
    """
    source, labels = _labelled(source, "source_accuracy")
    return float((source.probabilities.argmax(axis=1) == labels).mean())


@VALIDATORS.register("entropy")
def entropy(source: Outputs | None, target: Outputs | None) -> float:
    """Returns the negative mean entropy of the target's predictions, `-mean H(p)`, in nats.

    It is also highest, 0, for a model that predicts one class for all images.

    Raises:
        InputError: if there is no target.
    """
    return -float(_entropies(_target(target, "entropy").probabilities).mean())


@VALIDATORS.register("information_maximization")
def information_maximization(source: Outputs | None, target: Outputs | None) -> float:
    """Returns the entropy of the mean prediction on the target minus the mean entropy, `H(mean p) - mean H(p)`.

    It is in [0, log(num_classes)], in nats, and highest for confident predictions of all classes alike. So it misjudges
    a target whose classes differ much in size. Musgrave, Belongie and Lim use it as a validator in "Three New
    Validators and a Large-Scale Benchmark Ranking for Unsupervised Domain Adaptation" (2022),
    https://arxiv.org/abs/2208.07360.

    Raises:
        InputError: if there is no target.

    Example:
        >>> sure = Outputs(np.zeros((2, 1)), np.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> round(information_maximization(None, sure), 4)  # log 2
        0.6931
    """
    probabilities = _target(target, "information_maximization").probabilities
    return float(_entropies(probabilities.mean(axis=0, keepdims=True))[0] - _entropies(probabilities).mean())


@VALIDATORS.register("soft_neighborhood_density")
def soft_neighborhood_density(
    source: Outputs | None, target: Outputs | None, *, temperature: float = 0.05, limit: int = 2000
) -> float:
    """Returns how dense the neighbourhoods of the target's predictions are, as an entropy in nats.

    For each image, cosine similarities of its probabilities to those of all other images are divided by the temperature
    and passed through a softmax; the score is the mean entropy. Saito, Kim, Teterwak, Sclaroff, Darrell and Saenko,
    "Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft Neighborhood Density" (2021), section
    3, https://arxiv.org/abs/2108.10860. It is also highest for a model that predicts one class for all images.

    Args:
        source: not used.
        target: outputs for the target.
        temperature: divisor of the similarities; 0.05 as in the paper.
        limit: largest number of images to compare; of more, so many are taken at even intervals.

    Raises:
        InputError: if there is no target, or fewer than three images of it.
    """
    probabilities = _target(target, "soft_neighborhood_density").probabilities
    chosen = np.linspace(0, len(probabilities) - 1, min(len(probabilities), limit)).round().astype(int)
    if len(chosen) < 3:
        raise InputError(f"Expected 3 images or more of the target for a neighbourhood. Received: {len(chosen)}.")
    points = probabilities[chosen]
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), _SMALL)
    similar = points @ points.T / temperature
    np.fill_diagonal(similar, -np.inf)
    shares = np.exp(similar - similar.max(axis=1, keepdims=True))
    return float(_entropies(shares / shares.sum(axis=1, keepdims=True)).mean())


@VALIDATORS.register("deep_embedded_validation")
def deep_embedded_validation(source: Outputs | None, target: Outputs | None, *, folds: int = 5) -> float:
    """Returns the negative loss on the source, weighted as if its images were distributed like those of the target.

    The losses l are cross-entropies. The weights w are the density ratio of target to source at the features of an
    image, estimated by a logistic regression that tells the domains apart. With `η = -Cov(w l, w) / Var(w)` the risk is
    `mean(w l) + η mean(w) - η`. You, Wang, Long and Jordan, "Towards Accurate Model Selection in Deep Unsupervised
    Domain Adaptation" (2019), section 4, https://proceedings.mlr.press/v97/you19a.html. Departure: the regression is
    cross-fitted on the validation images, while the paper fits it to training images.

    Args:
        source: outputs for the source, with labels.
        target: outputs for the target.
        folds: number of folds of the cross-fitting; fewer if there are fewer images.

    Raises:
        InputError: if one of the two is missing, or has fewer than two images.
    """
    source, labels = _labelled(source, "deep_embedded_validation")
    target = _target(target, "deep_embedded_validation")
    if min(len(labels), len(target.features)) < 2:
        raise InputError(
            "Expected 2 images or more of each domain for validator='deep_embedded_validation'. Received: "
            f"{len(labels)} of the source, {len(target.features)} of the target."
        )
    chosen = source.probabilities[np.arange(len(labels)), labels]
    return -controlled_risk(-np.log(np.maximum(chosen, 1e-7)), density_ratio(source.features, target.features, folds))


def density_ratio(source: np.ndarray, target: np.ndarray, folds: int = 5) -> np.ndarray:
    """Returns the ratio of the target's density to the source's at each point of the source, float `(count,)`.

    By Bayes' rule it is `p(target | x) / p(source | x)` times the number of source points over that of target points.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    domains = np.repeat([0, 1], [len(source), len(target)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    parts = StratifiedKFold(min(folds, len(source), len(target)), shuffle=True, random_state=0)
    points = np.concatenate([source, target])
    is_target = cross_val_predict(classifier, points, domains, cv=parts, method="predict_proba")[: len(source), 1]
    is_target = np.clip(is_target, 1e-6, 1 - 1e-6)
    return is_target / (1 - is_target) * len(source) / len(target)


def controlled_risk(losses: np.ndarray, weights: np.ndarray) -> float:
    """Returns the mean of the weighted losses, with the weights, whose mean is known to be 1, as a control variate.

    Example:
        >>> controlled_risk(np.array([1.0, 1.0]), np.array([0.5, 2.5]))  # equal losses: the weights do not matter
        1.0
    """
    weighted = losses * weights
    variance = weights.var(ddof=1)
    if variance < _SMALL:
        return float(weighted.mean())
    share = -float(np.cov(weighted, weights, ddof=1)[0, 1] / variance)
    return float(weighted.mean() + share * weights.mean() - share)


def _entropies(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, _SMALL))).sum(axis=1)


def _labelled(source: Outputs | None, name: str) -> tuple[Outputs, np.ndarray]:
    if source is None or source.labels is None:
        raise InputError(f"Expected a labelled source for validator={name!r}. Received: none.")
    return source, source.labels


def _target(target: Outputs | None, name: str) -> Outputs:
    if target is None:
        raise InputError(
            f"Expected a target for validator={name!r}. Received: none. Without one use 'source_accuracy'."
        )
    return target
