"""The solver of linear heads, on rows of numbers: against scikit-learn, in blocks, and with bad input."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from keras_transfer._checks import DataError
from keras_transfer.features.solving import OBJECTIVES, Rows, rows, solve, solved, solver, strengths
from keras_transfer.features.solving.means import class_means


def made(count=120, width=30, classes=3, seed=0):
    """Features of several scales, one of them constant, and classes that overlap."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    features = rng.normal(size=(count, width)) + rng.normal(size=(classes, width))[labels] * 0.4
    features = features * 10.0 ** rng.uniform(-2, 2, width) + rng.normal(size=width)
    features[:, 3] = 0.7
    return features.astype(np.float32), labels


def rows_of(features, labels, strata=None, **options):
    labels = np.asarray(labels)
    weights = options.pop("weights", np.ones(len(labels), np.float32))
    return Rows(rows.Held(features), labels, weights, strata, **options)


def solved_by_softmax(features, labels, classes=3, **options):
    given = rows_of(features, labels, options.pop("strata", labels), **options)
    return solve(given, OBJECTIVES.find("softmax"), classes)


def scaled(features, power, *, centred=True):
    """Features divided by a power of their standard deviation, with variances of 1 on average."""
    values = features.astype(np.float64)
    values = values - values.mean(axis=0) if centred else values
    size = np.sqrt(np.square(values).mean(axis=0))
    values = values / np.where(size > 1e-6, size, 1) ** power
    return values / np.sqrt(np.square(values).mean(axis=0)[size > 1e-6].mean())


def far(found, expected) -> float:
    """The largest difference, in shares of the largest number expected."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("count", "width"), [(300, 30), (60, 200)])
def test_softmax_is_the_logistic_regression_of_scikit_learn(count, width):
    features, labels = made(count, width)
    found = solved_by_softmax(features, labels)
    expected = LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000).fit(scaled(features, found.power), labels)
    outputs = features @ found.kernel + found.bias
    assert far(outputs, expected.decision_function(scaled(features, found.power))) < 2e-3
    assert [candidate.C for candidate in found.path] == sorted(candidate.C for candidate in found.path)
    assert found.C == min(found.path, key=lambda candidate: candidate.loss).C
    assert (found.kernel[3] == 0).all(), "a constant feature says nothing"


def test_a_feature_that_is_much_smaller_than_others_is_used():
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    features = rng.normal(size=(100, 60)) * 100
    features[:, 7] = (labels - 0.5 + rng.normal(scale=0.1, size=100)) * 1e-4
    features = features.astype(np.float32)
    found = solved_by_softmax(features, labels, classes=2)
    assert found.power == solved.STANDARDISED and "standardised features" in found.chosen_by
    assert ((features @ found.kernel + found.bias).argmax(axis=1) == labels).all()
    alike = solved_by_softmax(features / features.std(axis=0), labels, classes=2)
    assert alike.power == solved.PARETO and "standardised" not in alike.chosen_by


def test_its_cross_validation_gives_the_losses_of_the_folds():
    features, labels = made()
    given = rows_of(features, labels, labels)
    found = solve(given, OBJECTIVES.find("softmax"), 3)
    inside = scaled(features, found.power)
    for candidate in found.path[:3]:
        losses = []
        for fold in solved._folds(given, 0):
            model = LogisticRegression(C=candidate.C, tol=1e-8, max_iter=10_000).fit(
                inside[fold.learn], labels[fold.learn]
            )
            losses.append(
                -model.predict_log_proba(inside[fold.check])[np.arange(len(fold.check)), labels[fold.check]].mean()
            )
        assert candidate.loss == pytest.approx(np.mean(losses), rel=2e-3)


def test_weights_of_classes_are_those_of_scikit_learn():
    features, labels = made()
    balance = np.array([3.0, 1.0, 0.5], np.float32)
    found = solved_by_softmax(features, labels, weights=balance[labels])
    model = LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000, class_weight=dict(enumerate(balance)))
    expected = model.fit(scaled(features, found.power), labels).decision_function(scaled(features, found.power))
    assert far(features @ found.kernel + found.bias, expected) < 2e-3


def test_each_label_is_a_logistic_regression_over_the_images_that_know_it():
    features, labels = made()
    several = np.stack([labels == 0, labels > 0, labels == 2], axis=1).astype(int)
    several[::5, 1] = -1
    objective = OBJECTIVES.find("sigmoid")
    found = solve(rows_of(features, objective.fitted(several, 3)), objective, 3)
    outputs = features @ found.kernel + found.bias
    for place, known in enumerate((several != -1).T):
        model = LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000).fit(
            scaled(features, found.power)[known], several[known, place]
        )
        expected = model.decision_function(scaled(features, found.power)[known])
        assert far(outputs[known, place], expected) < 5e-3


def test_values_are_a_ridge_regression():
    features, labels = made()
    values = np.stack([features[:, 0] * 3 + 700, labels * 1e-3], axis=1).astype(np.float32)
    objective = OBJECTIVES.find("linear")
    found = solve(rows_of(features, values), objective, 2)
    inside = scaled(features, found.power)
    expected = Ridge(alpha=1 / found.C).fit(inside, values).predict(inside)
    outputs = features @ found.kernel + found.bias
    assert (np.abs(outputs - expected).max(axis=0) < 1e-3 * np.ptp(values, axis=0)).all()


def test_without_a_bias_features_keep_their_mean():
    features, labels = made()
    found = solve(rows_of(features, labels, labels), OBJECTIVES.find("softmax"), 3, biased=False)
    given = scaled(features, found.power, centred=False)
    model = LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000, fit_intercept=False).fit(given, labels)
    expected = model.decision_function(given)
    assert (found.bias == 0).all()
    assert far(features @ found.kernel, expected) < 5e-3


@pytest.mark.parametrize("widest", [2500, 10])
def test_rows_that_are_read_in_blocks_give_the_same_head(monkeypatch, widest):
    """With a sample that chooses the strength, and where principal components would take too long."""
    features, labels = made(600)
    monkeypatch.setattr(rows, "_VALUES", 30 * 70)
    monkeypatch.setattr(solver, "_WIDEST", widest)
    monkeypatch.setattr(solved, "_CHECKED", 30 * 3 * 200)
    found = solved_by_softmax(features, labels)
    assert "200 images" in found.chosen_by
    inside = scaled(features, found.power)
    model = LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000).fit(inside, labels)
    expected = model.decision_function(inside)
    outputs = features @ found.kernel + found.bias
    assert far(outputs, expected) < 1e-2

    def loss(outputs):
        weights = np.linalg.lstsq(inside, outputs - outputs.mean(axis=0), rcond=None)[0]
        return -log_softmax(outputs, axis=1)[np.arange(600), labels].sum() + np.square(weights).sum() / found.C / 2

    assert loss(outputs) == pytest.approx(loss(expected), rel=1e-5)


def test_the_sample_has_rare_classes_whole(monkeypatch):
    labels = np.r_[np.zeros(500, int), np.ones(40, int), np.full(3, 2)]
    features = np.zeros((len(labels), 8), np.float32)
    assert len(solved._sample(rows_of(features, labels, labels), 3, 0)) == 543
    monkeypatch.setattr(solved, "_CHECKED", 8 * 3 * 63)
    chosen = solved._sample(rows_of(features, labels, labels), 3, 0)
    assert np.bincount(labels[chosen]).tolist() == [30, 30, 3]
    assert (np.diff(chosen) > 0).all()


def test_views_of_an_image_stay_on_one_side():
    features, labels = made(40)
    twice = np.concatenate([features, features + 0.01])
    given = rows_of(twice, labels, labels, views=2)
    for fold in solved._folds(given, 0):
        assert not set(fold.learn % 40) & set(fold.check % 40)
        assert len(fold.learn) + len(fold.check) == 80
    found = solve(given, OBJECTIVES.find("softmax"), 3)
    assert ((twice @ found.kernel + found.bias).argmax(axis=1) == np.tile(labels, 2)).mean() > 0.9


def test_groups_stay_on_one_side():
    features, labels = made(60)
    groups = np.arange(60) // 6
    for fold in solved._folds(rows_of(features, labels, labels, groups=groups), 0):
        assert not set(groups[fold.learn]) & set(groups[fold.check])


def test_classes_with_one_image_are_learnt_and_not_checked():
    features, labels = made(61)
    labels = np.r_[labels[:60], 3]
    found = solved_by_softmax(features, labels, classes=4)
    assert len(found.path) > 3 and np.isfinite(found.kernel).all()
    for fold in solved._folds(rows_of(features, labels, labels), 0):
        assert 60 not in fold.check
    assert (features[60:] @ found.kernel + found.bias).argmax() == 3
    assert "without 1 of classes that have no other image" in found.chosen_by


def test_classes_that_weigh_nothing_are_passed_over():
    features, labels = made()
    found = solved_by_softmax(features, labels, weights=np.array([1, 1, 0], np.float32)[labels])
    assert np.isfinite(found.kernel).all() and all(np.isfinite(tried.loss) for tried in found.path)
    assert (features @ found.kernel + found.bias).argmax(axis=1).max() == 1


def test_one_image_of_each_class_is_solved_unchecked():
    features, _ = made(5)
    found = solved_by_softmax(features, np.arange(5), classes=5)
    assert found.path == () and found.C == strengths.UNCHECKED
    assert "no two images" in found.chosen_by
    assert ((features @ found.kernel + found.bias).argmax(axis=1) == np.arange(5)).all()


def test_classes_that_a_plane_separates_have_a_finite_head():
    features, labels = made(60, 20)
    features[:, 0] = labels * 100
    found = solved_by_softmax(features, labels)
    outputs = features @ found.kernel + found.bias
    assert (outputs.argmax(axis=1) == labels).all() and np.abs(outputs).max() < 100
    assert -log_softmax(outputs, axis=1)[np.arange(60), labels].mean() < 0.1


def test_a_class_without_images_is_never_the_answer():
    features, labels = made()
    found = solved_by_softmax(features, labels, classes=5)
    assert (features @ found.kernel + found.bias).argmax(axis=1).max() == 2


def test_a_feature_that_is_no_number_is_named():
    features, labels = made()
    features[17, 4] = np.nan
    with pytest.raises(DataError, match="Received: nan as feature 4 of image 17"):
        solved_by_softmax(features, labels)


def test_one_class_cannot_be_solved():
    features, _ = made()
    with pytest.raises(DataError, match="two classes or more"):
        solved_by_softmax(features, np.zeros(120, int))


def test_values_that_are_no_numbers_are_refused():
    features, _ = made(4)
    with pytest.raises(DataError, match="finite"):
        solve(rows_of(features, np.array([[1], [np.nan], [2], [3]], np.float32)), OBJECTIVES.find("linear"), 1)


def test_the_same_rows_give_the_same_head():
    features, labels = made()
    first, second = (solved_by_softmax(features, labels) for _ in range(2))
    assert np.array_equal(first.kernel, second.kernel) and first.path == second.path


def test_class_means_are_unit_vectors():
    features, labels = made()
    found = class_means(rows_of(features, labels), 4)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = np.stack([unit[labels == each].sum(axis=0) for each in range(3)], axis=1)
    assert np.linalg.norm(found, axis=0) == pytest.approx(np.ones(4))
    assert found[:, :3] == pytest.approx(expected / np.linalg.norm(expected, axis=0), abs=1e-5)
