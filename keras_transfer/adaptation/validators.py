"""Validators: how good a model may be on the target, judged without the target's labels. Higher is better.

A validator is a function of two `Outputs`, source and target, on images that were not trained on.
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
    """What a model makes of the images of one domain.

    Attributes:
        features: float `(count, channels)`, what enters the last layer with weights.
        probabilities: float `(count, num_classes)` that sum to 1.
        labels: int `(count,)`; None for a target, whose labels no validator sees.
    """

    features: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray | None = None


Validator = Callable[[Outputs | None, Outputs | None], float]
VALIDATORS: Registry[Validator] = Registry("validator", callable, "a function of two kt.validators.Outputs")


@VALIDATORS.register("source_accuracy")
def source_accuracy(source: Outputs | None, target: Outputs | None) -> float:
    """Accuracy on the source, in [0, 1]: blind to the target.

    Raises:
        InputError: if there is no source.

    Example:
        >>> two = Outputs(np.zeros((2, 1)), np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
        >>> source_accuracy(two, None)
        0.5
    """
    source, labels = _labelled(source, "source_accuracy")
    return float((source.probabilities.argmax(axis=1) == labels).mean())


@VALIDATORS.register("entropy")
def entropy(source: Outputs | None, target: Outputs | None) -> float:
    """Mean entropy of the target's predictions, negated: `-mean H(p)`, in nats. One class for all scores best.

    Raises:
        InputError: if there is no target.
    """
    return -float(_entropies(_target(target, "entropy").probabilities).mean())


@VALIDATORS.register("information_maximization")
def information_maximization(source: Outputs | None, target: Outputs | None) -> float:
    """Entropy of the target's mean prediction less the mean entropy of its predictions: `H(mean p) - mean H(p)`.

    In [0, log(num_classes)], in nats. Sure predictions of many classes score best, so a target whose classes differ
    much in number is misjudged. As a validator: Musgrave, Belongie and Lim, "Three New Validators and a Large-Scale
    Benchmark Ranking for Unsupervised Domain Adaptation" (2022), https://arxiv.org/abs/2208.07360.

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
    """How many neighbours images of the target have on average, as an entropy, in nats.

    The cosines of the predictions' vectors to one another, over the temperature, become by a softmax the shares of each
    image's neighbours, itself left out; the score is the mean entropy of these shares. Saito, Kim, Teterwak, Sclaroff,
    Darrell and Saenko, "Tune it the Right Way: Unsupervised Validation of Domain Adaptation via Soft Neighborhood
    Density" (2021), section 3, https://arxiv.org/abs/2108.10860. One class for all scores best here too.

    Args:
        source: not used.
        target: of the target.
        temperature: 0.05 as in the paper.
        limit: images beyond this number are left out, evenly.

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
    """The source's loss as if its images were distributed like the target's, negated.

    Losses l are cross-entropies, weights w the density ratio of target to source at an image's features, as a logistic
    regression that tells the domains apart gives it. With `η = -Cov(w l, w) / Var(w)` the risk is
    `mean(w l) + η mean(w) - η`. You, Wang, Long and Jordan, "Towards Accurate Model Selection in Deep Unsupervised
    Domain Adaptation" (2019), section 4, https://proceedings.mlr.press/v97/you19a.html. Departure: the regression is
    cross-fitted on the validation images themselves, where the paper trains it on training images.

    Args:
        source: of the source, with labels.
        target: of the target.
        folds: of the cross-fitting; fewer where there are fewer images.

    Raises:
        InputError: if one of the two is missing, or has fewer than two images.
    """
    source, labels = _labelled(source, "deep_embedded_validation")
    target = _target(target, "deep_embedded_validation")
    if min(len(labels), len(target.features)) < 2:
        raise InputError("Expected 2 images or more of each domain for deep_embedded_validation. Received fewer.")
    chosen = source.probabilities[np.arange(len(labels)), labels]
    return -controlled_risk(-np.log(np.maximum(chosen, 1e-7)), density_ratio(source.features, target.features, folds))


def density_ratio(source: np.ndarray, target: np.ndarray, folds: int = 5) -> np.ndarray:
    """Returns the density of the target over that of the source at each point of the source, float `(count,)`.

    By Bayes it is `p(target | x) / p(source | x)` times `number of source / number of target`.
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
    """Returns the mean of weighted losses, with the weights as control variate: their mean is known to be 1.

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
