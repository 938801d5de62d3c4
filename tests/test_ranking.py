"""Rankings of networks: each against its formula computed directly, and the table with good and bad candidates."""

import keras
import numpy as np
import pytest
import scipy.optimize
from conftest import make_lively, mostly_slow, toy_backbone
from sklearn.covariance import ledoit_wolf_shrinkage

import keras_transfer as kt
from keras_transfer.data.splitting.splits import draw
from keras_transfer.features.ranking import RANKINGS, Evidence, h_score, leep, logme, nleep, solved_head, transrate
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.backbones.source_heads import source_head


def made(apart=1.0, count=90, width=20, classes=3, **options):
    """Features whose classes lie so far apart."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(count) % classes)
    features = rng.normal(size=(count, width)) + apart * rng.normal(size=(classes, width))[labels]
    return Evidence(features.astype(np.float32), labels, classes, **options)


# scores against their formulas


def test_logme_is_the_largest_evidence():
    evidence = made(0.5, count=40, width=60)  # more features than images
    features, found = evidence.features.astype(np.float64), []
    for target in np.eye(3)[evidence.labels].T:

        def negative(logarithms, target=target):
            alpha, beta = np.exp(logarithms)
            covariance = np.eye(len(target)) / beta + features @ features.T / alpha  # of y, the weights integrated out
            return 0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + target @ np.linalg.solve(covariance, target))

        found.append(-scipy.optimize.minimize(negative, [0.0, 0.0], method="Nelder-Mead").fun / len(target))
    assert logme(evidence) == pytest.approx(np.mean(found), abs=1e-4)


def test_logme_leaves_out_labels_that_are_not_known():
    evidence = made(count=60)
    labels = np.eye(3, dtype=np.int64)[evidence.labels]
    labels[:20, 0] = -1
    parts = [(slice(20, None), 0), (slice(None), 1), (slice(None), 2)]
    each = [logme(Evidence(evidence.features[rows], labels[rows][:, [place]], 1)) for rows, place in parts]
    assert logme(Evidence(evidence.features, labels, 3)) == pytest.approx(np.mean(each))


def test_h_score_is_the_variation_between_classes():
    evidence = made()
    features = evidence.features.astype(np.float64)
    features = features - features.mean(axis=0)
    share = ledoit_wolf_shrinkage(features, assume_centered=True)
    covariance = features.T @ features / len(features)
    shrunk = (1 - share) * covariance + share * np.trace(covariance) / 20 * np.eye(20)
    means = np.stack([features[evidence.labels == label].mean(axis=0) for label in range(3)])
    between = np.cov(means[evidence.labels].T, bias=True)
    assert h_score(evidence) == pytest.approx(np.trace(np.linalg.inv(shrunk) @ between) * (1 - share), rel=1e-6)


@pytest.mark.parametrize("width", [20, 120])
def test_transrate_is_the_difference_of_rates(width):
    evidence = made(width=width)
    features = evidence.features.astype(np.float64)
    features = features - features.mean(axis=0)
    features /= np.sqrt((features**2).sum(axis=1).mean())

    def rate(part):
        return 0.5 * np.linalg.slogdet(np.eye(width) + part.T @ part / (len(part) * 1e-4))[1]

    expected = rate(features) - np.mean([rate(features[evidence.labels == label]) for label in range(3)])
    assert transrate(evidence) == pytest.approx(expected, rel=1e-9)


def test_leep_is_the_likelihood_of_the_classes_given_those_of_the_source():
    answers = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    labels = np.array([0, 0, 1, 1])
    joint = np.array([[1.7, 0.3], [0.7, 1.3]]) / 4
    given = joint / joint.sum(axis=0)
    expected = np.mean([np.log(given[label] @ answer) for answer, label in zip(answers, labels, strict=True)])
    assert leep(Evidence(np.zeros((4, 2), np.float32), labels, 2, answers)) == pytest.approx(expected)


def test_nleep_is_perfect_for_clusters_of_one_class_each():
    evidence = made(40.0)
    assert nleep(evidence) == pytest.approx(0, abs=1e-6)
    assert nleep(made(0.0)) < -0.5


def test_the_solved_head_scores_by_its_cross_validation():
    evidence = made()
    assert solved_head(evidence) == -min(tried.loss for tried in evidence.solution.path)


@pytest.mark.parametrize("name", [name for name in RANKINGS.names() if name not in ("leep", "transrate")])
def test_classes_that_lie_further_apart_have_a_higher_score(name):
    scores = [RANKINGS.find(name)(made(apart, count=150)) for apart in (0.0, 0.7, 3.0)]
    assert scores == sorted(scores) and np.isfinite(scores).all()


@pytest.mark.parametrize("name", RANKINGS.names())
def test_a_score_of_hard_input_is_a_finite_number_or_refused(name):
    """Two images a class, constant features, more classes than a class has images, the same twice."""
    score, rng = RANKINGS.find(name), np.random.default_rng(0)
    answers = np.full((6, 4), 0.25)
    for features in (rng.normal(size=(6, 8)), np.ones((6, 8)), np.ones((6, 8)) * np.arange(8), np.zeros((6, 8))):
        evidence = Evidence(features.astype(np.float32), np.arange(6) % 3, 3, answers)
        assert np.isfinite(score(evidence))
    alone = Evidence(rng.normal(size=(6, 8)).astype(np.float32), np.arange(6), 9, answers)
    if name == "solved_head":
        with pytest.raises(kt.DataError, match="two images of a class"):
            score(alone)
    else:
        assert np.isfinite(score(alone))
    values = Evidence(rng.normal(size=(30, 8)).astype(np.float32), rng.normal(size=(30, 2)).astype(np.float32), 2)
    if name in ("logme", "solved_head"):
        assert np.isfinite(score(values))
    else:
        with pytest.raises(kt.InputError, match="one class an image"):
            score(values)


# the table


@pytest.fixture(scope="module")
def pictures():
    """Stripes, lying or standing, with any phase and colour: edges tell them, and the mean of each pixel does not."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    waves = 127 + 100 * np.sin(np.arange(32)[None] * np.pi / 4 + rng.uniform(0, 2 * np.pi, (80, 1)))
    images = np.where(labels[:, None, None] == 1, waves[:, None, :], waves[:, :, None])
    images = images[..., None] * rng.uniform(0.3, 1, (80, 1, 1, 3))
    return kt.data.from_arrays(images.astype("uint8"), labels, class_names=["lying", "standing"])


def seeing(kernel):
    """A network whose weights see edges, and whose initializer gives nothing."""
    images = keras.Input((None, None, 3))
    edges = keras.layers.Conv2D(2, 3, use_bias=False, kernel_initializer="zeros", name="edges")(images)
    network = keras.Model(images, keras.layers.Multiply()([edges, edges]))
    network.get_layer("edges").set_weights([kernel])
    return kt.Backbone(network, image_size=32)


@pytest.fixture(scope="module")
def lively(pictures):
    model = kt.build_model(toy_backbone(), 2)
    make_lively(model, kt.Backbone(model), pictures.splits["train"].items[:16])
    return model


@pytest.fixture(scope="module")
def ranking(pictures, lively):
    dead = kt.build_model(toy_backbone(), 2)
    dead.get_layer("third_bn").set_weights([np.zeros(16), np.full(16, -1.0), np.zeros(16), np.ones(16)])
    every = {
        "lively": lively,
        "dead": dead,
        "large": kt.Candidate("Xception", None),
        "unknown file": kt.Candidate("MobileNet", "nowhere.weights.h5"),
        "small": kt.Candidate("MobileNet", None, backbone_options={"alpha": 0.25}),
    }
    return kt.rank_backbones(pictures, every, ["solved_head", "leep", "logme"], promise=False, verbose=0)


def test_the_table_has_every_candidate_the_best_first(ranking, pictures):
    assert {row.name for row in ranking.rows} == {"lively", "small"}
    scores = [row.scores["solved_head"] for row in ranking.rows]
    assert scores == sorted(scores, reverse=True) and ranking.best == ranking.rows[0].name
    assert set(ranking.left_out) == {"dead", "large", "unknown file"}
    assert "same features for all images" in ranking.left_out["dead"]
    assert "71 pixels" in ranking.left_out["large"]
    assert "nowhere.weights.h5" in ranking.left_out["unknown file"]
    by_name = {row.name: row for row in ranking.rows}
    assert by_name["small"].megabytes == pytest.approx(4e-6 * (ranking.build("small").count_params() - 514))
    assert by_name["lively"].scores["leep"] is not None and by_name["small"].scores["leep"] is None
    assert all(row.milliseconds > 0 and 0.4 < row.expected <= 1 and row.seconds > 0 for row in ranking.rows)
    shown = str(ranking)
    assert all(name in shown for name in ("lively", "dead", "left out", "ms/image", "accuracy"))
    assert ranking.to_dict()["rows"][0]["name"] == ranking.best


def test_the_picture_and_the_best_network_come_from_the_table(ranking, pictures):
    axes = ranking.plot().axes[0]
    assert len(axes.collections) == 2 and "expected" in axes.get_ylabel()
    model = ranking.build(head="mlp")
    assert model.output_shape == (None, 2) and model.input_shape[1:3] == (32, 32)
    with pytest.raises(kt.InputError, match="lively"):
        ranking.build("livly")


def test_the_score_is_that_of_the_features(ranking, pictures):
    lively = ranking.candidates["lively"].build(pictures)
    features, labels = kt.extract_features(lively, pictures, verbose=0)
    row = next(row for row in ranking.rows if row.name == "lively")
    assert row.scores["logme"] == pytest.approx(logme(Evidence(features, labels, 2)), rel=1e-6)


def test_a_second_ranking_has_the_features_from_the_cache(pictures, lively, tmp_path, monkeypatch):
    cache = kt.Cache("disk", folder=tmp_path)
    first = kt.rank_backbones(pictures, [lively], promise=False, cache=cache, verbose=0)
    monkeypatch.setattr("keras_transfer.caching.activations.Activations._run", None)  # nothing may be computed
    again = kt.rank_backbones(pictures, [lively], promise=False, cache=cache, verbose=0)
    assert again.rows[0].scores == first.rows[0].scores


def test_values_are_ranked_by_what_is_explained(pictures, lively):
    items = pictures.splits["train"].items
    values = items.mean(axis=(1, 2, 3)) / 255
    images = kt.data.from_arrays(items, values.astype(np.float32), task="regression")
    found = kt.rank_backbones(images, [lively], promise=False, verbose=0)
    assert found.measure == "R2" and 0.2 < found.rows[0].expected <= 1
    shuffled = kt.data.from_arrays(items, np.random.default_rng(0).permutation(values), task="regression")
    assert kt.rank_backbones(shuffled, [lively], promise=False, verbose=0).rows[0].expected < 0.2


def test_the_promise_compares_with_random_weights_and_pixels(pictures):
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[:, 0, :, 0], kernel[:, 2, :, 0] = -1, 1  # edges that stand
    kernel[0, :, :, 1], kernel[2, :, :, 1] = -1, 1  # edges that lie
    found = kt.rank_backbones(pictures, [seeing(kernel)], verbose=0).promise
    assert found.pays and found.pretrained == 1.0
    assert max(found.random, found.pixels) < 0.7 and found.shift is None
    assert "Transfer pays" in str(found) and "1.000" in str(found)


def test_a_promise_of_nothing_is_a_warning(pictures, lively):
    """Classes that nothing in the pictures tells."""
    examples = pictures.splits["train"]
    labels = np.random.default_rng(3).permutation(examples.labels)
    images = kt.data.from_arrays(examples.items, labels, class_names=["a", "b"])
    with pytest.warns(kt.DataWarning, match="promises nothing"):
        found = kt.rank_backbones(images, [lively], verbose=0)
    assert not found.promise.pays
    with pytest.warns(kt.DataWarning):
        again = kt.rank_backbones(images, [lively], verbose=0)
    assert again.promise == found.promise, "random weights depend on the seed of the data alone"


@pytest.mark.filterwarnings("ignore:Transfer promises nothing")
def test_the_shift_is_that_of_the_statistics(pictures, lively):
    """Statistics that were taken on the same images are alike; of brighter images they are not."""
    found = [
        kt.rank_backbones(images, [lively], verbose=0).promise.shift
        for images in (
            pictures,
            kt.data.from_arrays(
                255 - pictures.splits["train"].items // 8,
                pictures.splits["train"].labels,
                class_names=["lying", "standing"],
            ),
        )
    ]
    assert found[0] < 0.5 < found[1]


@pytest.mark.parametrize("candidates", [[], "MobileNetV2", [3], ["MobileNet", "MobileNet"], ["MobileNett"], {"a": 1}])
def test_candidates_are_refused_before_anything_is_computed(candidates, pictures):
    with pytest.raises(kt.InputError, match="candidate|Did you mean"):
        kt.rank_backbones(pictures, candidates, verbose=0)


def test_nothing_that_can_be_ranked_is_an_error_with_the_reasons(pictures):
    with pytest.raises(kt.InputError, match="Xception random: .*71 pixels"):
        kt.rank_backbones(pictures, [kt.Candidate("Xception", None)], verbose=0)
    with pytest.raises(kt.InputError, match="ranking"):
        kt.rank_backbones(pictures, [kt.Candidate("MobileNet", None)], by="logmee", verbose=0)


def test_a_draw_has_the_shares_of_the_strata_and_two_of_each():
    strata = np.repeat([0, 1, 2], [900, 90, 10])
    chosen = draw(strata, 1000, 100, 0)
    assert len(set(chosen)) == 100 and (np.diff(chosen) > 0).all()
    counts = np.bincount(strata[chosen])
    assert abs(counts[0] - 90) <= 3 and counts[2] >= 2
    assert len(draw(strata, 1000, 2000, 0)) == 1000 and len(draw(None, 50, 20, 1)) == 20


@pytest.mark.parametrize("name", mostly_slow(["MobileNet", *sorted(set(BACKBONES.names()) - {"MobileNet"})]))
def test_the_head_of_the_source_is_what_follows_the_pooling(name):
    """The network with its classifier, and its features with the head cut off it, answer alike."""
    whole = getattr(keras.applications, name)(include_top=True, weights=None)
    head = source_head(name, None, None)
    if name.startswith("VGG"):
        assert head is None
        return
    pooled = [each for each in whole.layers if isinstance(each, keras.layers.GlobalAveragePooling2D)][-1]
    head.set_weights([each.numpy() for each in keras.Model(pooled.output, whole.output).weights])
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, *whole.input_shape[1:])).astype(np.float32)
    features, answers = keras.Model(whole.input, [pooled.output, whole.output])(pixels, training=False)
    assert head.input_shape[1:] == getattr(keras.applications, name)(include_top=False, weights=None).output_shape[-1:]
    found = head(np.asarray(features).reshape(1, -1), training=False)
    np.testing.assert_allclose(found, answers, atol=1e-6)


def test_labels_that_no_image_has_say_nothing():
    """Of a column without variation the evidence is endless, and would drown all others."""
    evidence = made()
    labels = np.eye(3, dtype=np.int64)[evidence.labels]
    more = np.concatenate([labels, np.zeros((len(labels), 1), np.int64)], axis=1)
    assert logme(Evidence(evidence.features, more, 4)) == logme(Evidence(evidence.features, labels, 3))
    alike = Evidence(evidence.features, np.ones((len(labels), 1), np.float32), 1)
    with pytest.raises(kt.DataError, match="all alike"):
        logme(alike)


def test_scores_of_ones_own_are_checked(pictures, lively):
    for wrong in (5, None, [], [len, len]):
        with pytest.raises(kt.InputError, match="by|names of their own"):
            kt.rank_backbones(pictures, [lively], wrong, verbose=0)
    for value in ("x", float("nan")):
        with pytest.raises(kt.InputError, match="finite number"):
            kt.rank_backbones(pictures, [lively], lambda evidence, value=value: value, promise=False, verbose=0)


def test_random_networks_promise_nothing_and_are_not_asked(pictures):
    small = kt.Candidate("MobileNet", None, backbone_options={"alpha": 0.25})
    assert kt.rank_backbones(pictures, {"small": small}, verbose=0).promise is None
