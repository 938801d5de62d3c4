"""Validators: what each computes, against NumPy and hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

import keras_transfer as kt
from keras_transfer.adaptation.validators import VALIDATORS, Outputs, controlled_risk, density_ratio

RNG = np.random.default_rng(0)


def outputs(count: int, shift: float = 0.0, *, labelled: bool = False, sure: float = 1.0) -> Outputs:
    logits = sure * RNG.normal(size=(count, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = RNG.integers(0, 3, count) if labelled else None
    return Outputs(RNG.normal(size=(count, 2)) + shift, shares, labels)


@pytest.mark.parametrize("name", kt.available("validator"))
def test_a_validator_gives_one_finite_number_and_never_needs_labels_of_the_target(name):
    source, target = outputs(20, labelled=True), outputs(15, 1.0)
    value = VALIDATORS.find(name)(source, target)
    assert isinstance(value, float) and np.isfinite(value)
    labelled = Outputs(target.features, target.probabilities, RNG.integers(0, 3, 15))
    assert VALIDATORS.find(name)(source, labelled) == value


@pytest.mark.parametrize("name", kt.available("validator"))
def test_what_is_missing_is_said(name):
    with pytest.raises(kt.InputError, match="Expected a (labelled source|target)"):
        VALIDATORS.find(name)(None, None)


def test_sure_predictions_of_one_class_please_entropy_and_not_information_maximisation():
    one_class = Outputs(np.zeros((9, 1)), np.tile([1.0, 0.0, 0.0], (9, 1)))
    every_class = Outputs(np.zeros((9, 1)), np.repeat(np.eye(3), 3, axis=0))
    entropy, maximum = VALIDATORS.find("entropy"), VALIDATORS.find("information_maximization")
    assert entropy(None, one_class) == pytest.approx(0) == entropy(None, every_class)
    assert maximum(None, one_class) == pytest.approx(0) and maximum(None, every_class) == pytest.approx(np.log(3))


def test_soft_neighborhood_density_is_the_entropy_of_shares_of_neighbours():
    target, temperature = outputs(5), 0.05
    points = target.probabilities / np.linalg.norm(target.probabilities, axis=1, keepdims=True)
    found = []
    for row in range(5):
        similar = np.array([points[row] @ points[other] / temperature for other in range(5) if other != row])
        shares = np.exp(similar) / np.exp(similar).sum()
        found.append(-(shares * np.log(shares)).sum())
    assert VALIDATORS.find("soft_neighborhood_density")(None, target) == pytest.approx(np.mean(found), abs=1e-6)
    with pytest.raises(kt.InputError, match="3 images or more"):
        VALIDATORS.find("soft_neighborhood_density")(None, outputs(2))


def test_dense_clusters_score_higher_than_scattered_predictions():
    density = VALIDATORS.find("soft_neighborhood_density")
    clusters = Outputs(np.zeros((30, 1)), np.repeat(np.eye(3) * 0.94 + 0.02, 10, axis=0))
    assert density(None, clusters) == pytest.approx(np.log(9), abs=1e-2) and density(
        None, outputs(30, sure=3)
    ) < np.log(9)


def test_controlled_risk_is_the_papers_estimate():
    losses, weights = RNG.uniform(size=50), RNG.uniform(0.5, 1.5, size=50)
    weighted = losses * weights
    share = -np.cov(weighted, weights)[0, 1] / weights.var(ddof=1)
    expected = weighted.mean() + share * weights.mean() - share
    assert controlled_risk(losses, weights) == pytest.approx(expected)
    assert controlled_risk(losses, np.ones(50)) == pytest.approx(losses.mean())


def test_the_density_ratio_is_near_that_of_two_normal_distributions():
    source, target = RNG.normal(size=(3000, 1)), RNG.normal(size=(3000, 1)) + 0.5
    expected = np.exp(0.5 * source[:, 0] - 0.125)
    assert np.corrcoef(density_ratio(source, target), expected)[0, 1] > 0.98
    assert density_ratio(source, target).mean() == pytest.approx(1, abs=0.05)


def test_deep_embedded_validation_counts_the_errors_where_the_target_is():
    """Of two models wrong on half of the source, the one that is wrong away from the target is better."""
    features = np.concatenate([np.full((50, 1), -1.0), np.full((50, 1), 1.0)]) + RNG.normal(scale=0.3, size=(100, 1))
    target = Outputs(np.full((80, 1), 1.0) + RNG.normal(scale=0.3, size=(80, 1)), np.tile([0.5, 0.5], (80, 1)))
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    near = Outputs(features, np.array([wrong] * 50 + [right] * 50), np.zeros(100, int))
    far = Outputs(features, np.array([right] * 50 + [wrong] * 50), np.zeros(100, int))
    score = VALIDATORS.find("deep_embedded_validation")
    assert score(near, target) > score(far, target)
    assert VALIDATORS.find("source_accuracy")(near, None) == 0.5 == VALIDATORS.find("source_accuracy")(far, None)
