"""Alignment: what every method promises, and what each computes, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt
from keras_transfer.adaptation.alignment import ALIGNMENTS, Batch, find_method
from keras_transfer.adaptation.alignment.adversary import ramp
from keras_transfer.adaptation.alignment.cdan import certainty
from keras_transfer.models.batch_statistics import pooled

RNG = np.random.default_rng(0)
METHODS = kt.available("alignment")


def probabilities(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def batch(count: int = 6, channels: int = 4, classes: int = 3, shift: float = 0.0) -> Batch:
    features = RNG.normal(size=(count, channels)) + shift
    logits = RNG.normal(size=(count, classes))
    return Batch(tf.constant(features, tf.float32), tf.constant(probabilities(logits), tf.float32))


def loss(method: kt.alignment.Alignment, source: Batch, target: Batch, progress: float = 0.5) -> float:
    method.start(source.features.shape[1], source.probabilities.shape[1])
    return float(method.loss(source, target, tf.constant(progress)))


def entropies(shares: np.ndarray) -> np.ndarray:
    return -(shares * np.log(shares)).sum(axis=1)


# contract, over the registry


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_one_finite_number_also_for_batches_of_two_sizes(name):
    method = find_method(name)
    method.start(4, 3)
    value = method.loss(batch(6), batch(5), tf.constant(0.0))
    assert value.shape == () and value.dtype == tf.float32 and np.isfinite(value)


@pytest.mark.parametrize("name", METHODS)
def test_sure_predictions_and_equal_features_give_finite_gradients(name):
    """Probabilities of exactly 0 and 1, and distances of exactly 0, are where logarithms and roots break."""
    method = find_method(name)
    method.start(4, 3)
    features, shares = tf.ones((4, 4)), tf.one_hot([0, 1, 1, 2], 3)
    with tf.GradientTape() as tape:
        tape.watch([features, shares])
        value = method.loss(Batch(features, shares), Batch(features, shares), tf.constant(0.5))
    gradients = tape.gradient(value, [features, shares], unconnected_gradients="zero")
    assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_is_zero_on_equal_batches_where_the_mathematics_says_so(name):
    method, same = find_method(name), batch()
    value = loss(method, same, same)
    assert (abs(value) < 1e-5) == method.zero_on_equal


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("none", "adabn", "mixstyle")])
def test_a_method_with_a_loss_has_a_gradient_in_what_it_sees(name):
    method, source, target = find_method(name), batch(6), batch(5, shift=1.0)
    method.start(4, 3)
    seen = [source.features, source.probabilities, target.features, target.probabilities]
    with tf.GradientTape() as tape:
        tape.watch(seen)
        value = method.loss(source, target, tf.constant(0.5))
    gradients = tape.gradient(value, seen, unconnected_gradients="zero")
    assert max(float(tf.reduce_max(tf.abs(gradient))) for gradient in gradients[2:]) > 1e-5, "in the target's"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_starts_anew_and_alike_each_time(name):
    method, source, target = find_method(name), batch(), batch(shift=1.0)
    first = loss(method, source, target)
    for variable in method.variables:
        variable.assign(variable + 1)
    assert loss(method, source, target) == first


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_needs_and_where_it_is_from(name):
    kind = ALIGNMENTS.find(name)
    assert kind.__doc__ and (name == "none" or "https://" in kind.__doc__)
    assert kind.smallest_batch >= 1 and repr(kind()).startswith(kind.__name__)


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(kt.InputError, match="Did you mean 'coral'"):
        find_method("corel")
    with pytest.raises(kt.InputError, match="Expected `method` a name"):
        find_method(3)
    with pytest.raises(kt.InputError, match="Expected `method` a name"):
        find_method(kt.alignment.MCC)


def test_a_plain_function_is_a_method():
    means = find_method(lambda source, target: tf.reduce_mean(source.features) - tf.reduce_mean(target.features))
    source, target = batch(), batch()
    expected = source.features.numpy().mean() - target.features.numpy().mean()
    assert loss(means, source, target) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: kt.alignment.MMD("triangular"),
        lambda: kt.alignment.MMD(bandwidths=()),
        lambda: kt.alignment.JMMD(bandwidths=(0.0,)),
        lambda: kt.alignment.MCC(0),
        lambda: kt.alignment.InformationMaximization(-1),
        lambda: kt.alignment.MixStyle(probability=2),
        lambda: kt.alignment.MixStyle(alpha=0),
    ],
)
def test_values_out_of_range_are_refused(make):
    with pytest.raises(kt.InputError):
        make()


# truth, against NumPy


def test_coral_is_the_distance_of_covariances():
    source, target = batch(6), batch(5, shift=2.0)
    difference = np.cov(source.features.numpy(), rowvar=False) - np.cov(target.features.numpy(), rowvar=False)
    assert loss(kt.alignment.CORAL(), source, target) == pytest.approx((difference**2).sum() / (4 * 4**2), rel=1e-4)


KERNELS = {
    "gaussian": lambda squared: np.exp(-squared),
    "laplacian": lambda squared: np.exp(-np.sqrt(squared)),
    "inverse_multiquadric": lambda squared: 1 / np.sqrt(1 + squared),
}


def kernel_matrix(points: np.ndarray, kernel: str, bandwidths: tuple[float, ...]) -> np.ndarray:
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    unit = squared.sum() / (len(points) * (len(points) - 1))
    return np.mean([KERNELS[kernel](squared / (bandwidth * unit)) for bandwidth in bandwidths], axis=0)


def discrepancy(matrix: np.ndarray, count: int) -> float:
    return matrix[:count, :count].mean() + matrix[count:, count:].mean() - 2 * matrix[:count, count:].mean()


def test_all_kernels_are_tried():
    assert list(KERNELS) == kt.alignment.KERNELS.names()


@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_is_the_mean_of_kernels_within_less_that_across(kernel):
    source, target = batch(6), batch(5, shift=1.0)
    points = np.concatenate([source.features, target.features])
    expected = discrepancy(kernel_matrix(points, kernel, (0.5, 2.0)), 6)
    assert loss(kt.alignment.MMD(kernel, (0.5, 2.0)), source, target) == pytest.approx(expected, abs=1e-5)


def test_jmmd_multiplies_the_kernels_of_features_and_predictions():
    source, target = batch(6), batch(5, shift=1.0)
    features = np.concatenate([source.features, target.features])
    shares = np.concatenate([source.probabilities, target.probabilities])
    joint = kernel_matrix(features, "gaussian", (0.5, 2.0)) * kernel_matrix(shares, "gaussian", (1.0,))
    assert loss(kt.alignment.JMMD(bandwidths=(0.5, 2.0)), source, target) == pytest.approx(
        discrepancy(joint, 6), abs=1e-5
    )


def test_the_ramp_of_the_reversal_is_the_papers():
    for progress in (0.0, 0.3, 0.9):
        assert float(ramp(tf.constant(progress))) == pytest.approx(2 / (1 + np.exp(-10 * progress)) - 1, abs=1e-6)


def discriminate(method: kt.alignment.Alignment, vectors: np.ndarray) -> np.ndarray:
    """Runs the discriminator by hand: dense layers with ReLU between them."""
    weights = [variable.numpy() for variable in method.variables]
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        vectors = np.maximum(vectors @ kernel + bias, 0)
    return (vectors @ weights[-2] + weights[-1])[:, 0]


def cross_entropy(logits: np.ndarray, is_source: bool) -> np.ndarray:
    return np.log1p(np.exp(-logits if is_source else logits))


def test_dann_is_the_cross_entropy_of_its_discriminator():
    method, source, target = kt.alignment.DANN(units=(5,)), batch(6), batch(4, shift=1.0)
    value = loss(method, source, target)
    of_source = cross_entropy(discriminate(method, source.features.numpy()), True)
    of_target = cross_entropy(discriminate(method, target.features.numpy()), False)
    assert value == pytest.approx((of_source.mean() + of_target.mean()) / 2, abs=1e-5)


def test_cdan_sees_the_outer_product_and_weighs_sure_images_more():
    method, source, target = kt.alignment.CDAN(units=(5,)), batch(6), batch(4, shift=1.0)
    value, means = loss(method, source, target), []
    for domain, is_source in ((source, True), (target, False)):
        features, shares = domain.features.numpy(), domain.probabilities.numpy()
        joint = np.stack([np.outer(f, p).ravel() for f, p in zip(features, shares, strict=True)])
        weights = 1 + np.exp(-entropies(shares))
        means.append((weights * cross_entropy(discriminate(method, joint), is_source)).sum() / weights.sum())
    assert value == pytest.approx(sum(means) / 2, abs=1e-5)


def test_a_long_outer_product_is_projected_at_random_with_its_inner_products_kept():
    """The randomised map's inner products estimate those of the outer product (theorem 1 of the paper)."""
    method = kt.alignment.CDAN(random_dimension=20_000)
    method.start(500, 10)
    features, shares = RNG.normal(size=(2, 500)), probabilities(RNG.normal(size=(2, 10)))
    features[1] += features[0]
    joint = method.joint(tf.constant(features, tf.float32), tf.constant(shares, tf.float32)).numpy()
    expected = (features @ features.T) * (shares @ shares.T)
    assert joint.shape == (2, 20_000) and np.allclose(joint @ joint.T, expected, rtol=0.1)


def test_mcc_is_the_confusion_between_classes():
    method, target = kt.alignment.MCC(temperature=2.0), batch(7)
    softened = probabilities(np.log(target.probabilities.numpy()) / 2)
    weights = 1 + np.exp(-entropies(softened))
    confusion = np.zeros((3, 3))
    for weight, row in zip(weights / weights.mean(), softened, strict=True):
        confusion += weight * np.outer(row, row)
    confusion /= confusion.sum(axis=1, keepdims=True)
    expected = sum(confusion[i, j] for i in range(3) for j in range(3) if i != j) / 3
    assert loss(method, batch(), target) == pytest.approx(expected, abs=1e-5)


def test_mcc_of_many_classes_and_sure_predictions_is_that_of_the_logits():
    """The floor of a logarithm must not become a share of every other class once the temperature divides it."""
    logits, method = 20 * RNG.normal(size=(30, 100)), kt.alignment.MCC()
    softened = probabilities(logits / 2.5)
    weights = 1 + np.exp(-entropies(np.maximum(softened, 1e-300)))
    confusion = softened.T @ (softened * (weights / weights.mean())[:, None])
    confusion /= confusion.sum(axis=1, keepdims=True)
    shares = tf.constant(probabilities(logits), tf.float32)
    found = loss(method, batch(), Batch(tf.zeros((30, 4)), shares))
    assert found == pytest.approx((confusion.sum() - np.trace(confusion)) / 100, rel=1e-3)


@pytest.mark.parametrize("diversity", [0.0, 1.0])
def test_information_maximisation_is_entropy_less_diversity(diversity):
    target = batch(7)
    shares = target.probabilities.numpy()
    expected = entropies(shares).mean() - diversity * entropies(shares.mean(axis=0, keepdims=True))[0]
    assert loss(kt.alignment.InformationMaximization(diversity), batch(), target) == pytest.approx(expected, abs=1e-5)


def test_pooled_statistics_are_those_of_the_whole_set():
    values = RNG.normal(size=(11, 3))
    parts = np.split(values, [4, 9])
    mean, variance = pooled([p.mean(0) for p in parts], [p.var(0) for p in parts], [4, 5, 2])
    assert np.allclose(mean, values.mean(0)) and np.allclose(variance, values.var(0))


def test_mixstyle_gives_statistics_between_those_of_image_and_partner():
    maps = (
        RNG.normal(size=(4, 5, 5, 2)) * np.array([1, 2, 3, 4])[:, None, None, None] + np.arange(4)[:, None, None, None]
    )
    method = kt.alignment.MixStyle(probability=1.0, alpha=1.0)
    mixed = method.mix(
        tf.constant(maps, tf.float32), [tf.constant(2), tf.constant(2)], tf.constant(3, tf.int64)
    ).numpy()
    mean, deviation = maps.mean(axis=(1, 2)), maps.std(axis=(1, 2))
    new_mean, new_deviation = mixed.mean(axis=(1, 2)), mixed.std(axis=(1, 2))
    centred = (maps - mean[:, None, None]) / deviation[:, None, None]
    assert np.allclose(mixed, centred * new_deviation[:, None, None] + new_mean[:, None, None], atol=1e-3)
    for image in range(4):
        fits = []
        for partner in (2, 3) if image < 2 else (0, 1):  # always of the other domain
            share = (new_mean[image] - mean[partner]) / (mean[image] - mean[partner])
            expected = share * deviation[image] + (1 - share) * deviation[partner]
            same = np.allclose(share, share[0], atol=1e-3) and np.allclose(new_deviation[image], expected, atol=1e-2)
            fits.append(same and -1e-3 <= share[0] <= 1 + 1e-3)
        assert any(fits), image
    assert not np.allclose(mixed, maps)
    still = kt.alignment.MixStyle(probability=0.0)
    assert np.allclose(still.mix(tf.constant(maps, tf.float32), [4], tf.constant(3, tf.int64)), maps, atol=1e-6)


def test_mixstyle_draws_from_a_beta_distribution_and_anew_in_each_place():
    method, maps = kt.alignment.MixStyle(probability=1.0, alpha=0.3), RNG.normal(size=(4, 5, 5, 2)).astype(np.float32)
    assert np.var(method._shares) == pytest.approx(1 / (4 * (2 * 0.3 + 1)), rel=1e-3)
    assert np.mean(method._shares) == pytest.approx(0.5, abs=1e-5)
    first, again, other = (method.mix(maps, [4], tf.constant(3, tf.int64), place) for place in (0, 0, 1))
    assert np.array_equal(first, again) and not np.allclose(first, other)


@pytest.mark.parametrize("name", ["dann", "cdan"])
def test_the_loss_turns_the_gradient_of_the_network_and_not_that_of_the_discriminator(name):
    method, source, target = find_method(name), batch(6), batch(4, shift=1.0)
    method.start(4, 3)
    inputs = [source.features, source.probabilities, target.features, target.probabilities]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = method.loss(source, target, tf.constant(0.2))
    found = tape.gradient(value, [*inputs, *method.variables], unconnected_gradients="zero")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        features, shares = tf.concat(inputs[::2], axis=0), tf.concat(inputs[1::2], axis=0)
        vectors, weights = features, None
        if name == "cdan":
            vectors, weights = method.joint(features, shares), certainty(shares, tf.math.log(shares))
        value = method._discriminator.loss(vectors, tf.constant(6), weights)
    plain = tape.gradient(value, [*inputs, *method.variables], unconnected_gradients="zero")
    factors = [-(2 / (1 + np.exp(-10 * 0.2)) - 1)] * 4 + [1.0] * len(method.variables)
    assert np.abs(plain[0]).max() > 0 and all(
        np.allclose(one, factor * other, atol=1e-7) for one, factor, other in zip(found, factors, plain, strict=True)
    )
