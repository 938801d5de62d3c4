"""Penalties against NumPy, in every part that is trained, with what they must not change, and refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow, toy_backbone

import keras_transfer as kt
from keras_transfer.training.penalties import FromFunction, PenaltyModel

RNG = np.random.default_rng(0)
PHASES = (kt.Phase(1, "head", 1e-2), kt.Phase(1, 1, 1e-2), kt.Phase(1, "all", 1e-2))
NAMES = kt.available("penalty")


@pytest.fixture(scope="module")
def data():
    """Two classes by the shade, with noise."""
    labels = np.arange(40) % 2
    images = RNG.normal(90 + 60 * labels[:, None, None, None], 30, (40, 32, 32, 3)).clip(0, 255).astype("uint8")
    return kt.data.from_arrays(images, labels, image_size=32, batch_size=16)


def build(seed=0):
    keras.utils.set_random_seed(seed)
    return kt.build_model(toy_backbone(), 2, image_size=32)


def trained(data, penalty, phases=PHASES, **options):
    model = build()
    keras.utils.set_random_seed(1)
    history = kt.fine_tune(model, data, schedule=phases, penalty=penalty, verbose=0, **options)
    return model, history


def same(first, second):
    return all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))


def penalty_of(kept, images):
    """Returns what the penalty adds to the loss of a batch."""
    kept(images, training=True)
    return float(tf.add_n(kept.losses))


# what they are


def moved(penalty):
    """A model whose weights have moved after it was given to a penalty, and copies from before and after."""
    model = build()
    kt.set_trainable(model, "all")
    kept = PenaltyModel(model, penalty)
    before = model.get_weights()
    model.set_weights([weight + RNG.normal(0, 0.1, weight.shape) ** 2 for weight in before])
    return model, kept, before


def test_l2_sp_is_half_the_squared_distance_and_half_the_squared_head():
    model, kept, before = moved(kt.penalties.L2SP(alpha=0.3, beta=0.2))
    still = {id(w) for layer in model.layers if "bn" in layer.name for w in layer.weights}
    head = {id(w) for w in model.get_layer("predictions").weights} | {id(w) for w in model.layers[-2].weights}
    pairs = [p for p in zip(model.weights, before, strict=True) if p[0].trainable and id(p[0]) not in still]
    far = sum(((w.numpy() - b) ** 2).sum() for w, b in pairs if id(w) not in head)
    large = sum((w.numpy() ** 2).sum() for w, _ in pairs if id(w) in head)
    assert far > 0 < large
    assert penalty_of(kept, tf.zeros((2, 32, 32, 3))) == pytest.approx(0.15 * far + 0.1 * large, rel=1e-5)


def test_delta_is_the_distance_of_the_maps_of_a_network_in_inference():
    model, kept, before = moved(kt.penalties.Delta(alpha=0.3, beta=0.0))
    for layer in model.layers:  # so that the network gives the same in training
        if "dropout" in layer.name or "noise" in layer.name:
            layer.rate = layer.stddev = 0.0
    images = RNG.uniform(0, 255, (5, 32, 32, 3)).astype("float32")
    maps = keras.Model(model.input, [model.get_layer(f"stage_{name}").output for name in kt.stages(model)])
    now = maps.predict(images, verbose=0)
    after = model.get_weights()
    found = penalty_of(kept, images)
    model.set_weights(before)
    then = maps.predict(images, verbose=0)
    model.set_weights(after)
    expected = sum(((a - b) ** 2).sum(axis=-1).mean() for a, b in zip(now, then, strict=True))
    assert found == pytest.approx(0.3 * expected, rel=1e-4)


@pytest.mark.parametrize(("shape", "k"), [((6, 16), 2), ((30, 16), 3), ((4, 16), 9)])
def test_batch_spectral_shrinkage_is_the_sum_of_the_smallest_squared_singular_values(shape, k):
    features = RNG.normal(size=shape).astype("float32")
    smallest = np.sort(np.linalg.svd(features, compute_uv=False))[:k]
    step = kt.penalties.Step([], [], tf.constant(features))
    found = kt.penalties.BatchSpectralShrinkage(eta=0.5, k=k).loss(step)
    assert float(found) == pytest.approx(0.5 * (smallest**2).sum(), rel=1e-3)


def test_a_batch_of_equal_images_has_a_gradient():
    features = tf.Variable(tf.ones((4, 8)))
    with tf.GradientTape() as tape:
        loss = kt.penalties.BatchSpectralShrinkage().loss(kt.penalties.Step([], [], features.value()))
    assert np.isfinite(tape.gradient(loss, features)).all()


# in training


@pytest.mark.parametrize("name", mostly_slow(["delta", "l2_sp", "batch_spectral_shrinkage"]))
def test_cached_equals_uncached(data, name):
    with_cache, history = trained(data, name, PHASES[1:], cache="memory")
    without, plain = trained(data, name, PHASES[1:], cache=False)
    assert same(with_cache, without) and history.history == plain.history


@pytest.mark.usefixtures("rewritten_graphs")
@pytest.mark.parametrize("name", mostly_slow(NAMES))
def test_a_penalty_is_in_the_loss_alone_and_nothing_of_it_in_the_model(data, name, tmp_path):
    free = trained(data, None, PHASES[2:])[0]
    kept, history = trained(data, name, PHASES[2:])
    assert not same(free, kept)
    loss = kt.evaluate(kept, data.validation).metrics["loss"]
    assert min(history.history["val_loss"]) == pytest.approx(loss, abs=1e-5)
    kept.save(tmp_path / "kept.keras")
    assert same(keras.models.load_model(tmp_path / "kept.keras"), kept)


def test_a_penalty_of_zero_changes_nothing(data):
    assert same(trained(data, None, PHASES[2:])[0], trained(data, lambda step: 0.0, PHASES[2:])[0])


@pytest.mark.slow
def test_a_stronger_penalty_keeps_nearer(data):
    def far(alpha):
        pairs = zip(trained(data, kt.penalties.L2SP(alpha, 0))[0].weights, build().weights, strict=True)
        return sum(float(((now - then).numpy() ** 2).sum()) for now, then in pairs if "predictions" not in now.path)

    assert far(100) < far(0)


def test_what_a_step_tells_in_each_part(data):
    seen = []

    def note(step):
        seen.append((len(step.weights), len(step.head), step.features is not None, len(step.maps)))
        return 0.0

    trained(data, note)
    assert list(dict.fromkeys(seen)) == [(0, 2, False, 0), (2, 2, True, 1), (6, 2, True, 3)]


def test_a_list_is_added_up(data):
    step = kt.penalties.Step([(tf.ones(3), tf.zeros(3))], [tf.ones(2)], tf.eye(3))
    both = kt.penalties.find_penalty(["l2_sp", kt.penalties.BatchSpectralShrinkage(), lambda step: 2.0])
    parts = [kt.penalties.L2SP(), kt.penalties.BatchSpectralShrinkage(), FromFunction(lambda step: 2.0)]
    assert float(both.loss(step)) == pytest.approx(sum(float(part.loss(step)) for part in parts))


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("name", mostly_slow(["l2_sp", "delta"]))
def test_a_run_that_goes_on_keeps_near_what_it_began_with(data, tmp_path, name):
    whole, _ = trained(data, name)
    model = build()
    keras.utils.set_random_seed(1)
    with pytest.raises(KeyboardInterrupt):
        kt.fine_tune(
            model, data, schedule=PHASES, penalty=name, verbose=0, resume_dir=tmp_path / "run", callbacks=[Stop()]
        )
    kt.fine_tune(model, data, schedule=PHASES, penalty=name, verbose=0, resume_dir=tmp_path / "run")  # the same object
    assert same(model, whole)
    with pytest.raises(kt.InputError, match="penalty"):
        kt.fine_tune(
            build(), data, schedule=PHASES, penalty=kt.penalties.L2SP(3.0), verbose=0, resume_dir=tmp_path / "run"
        )


@pytest.mark.usefixtures("rewritten_graphs")
@pytest.mark.parametrize("name", mostly_slow(NAMES))
def test_mixed_precision(data, name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        history = trained(data, name, phases=PHASES[2:])[1]
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history.history["loss"]).all()


def test_it_goes_with_layerwise_rates_label_smoothing_and_weight_decay(data):
    model = build()
    optimizer = kt.layerwise(keras.optimizers.AdamW(1e-2, weight_decay=0.01), model, decay=0.5)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    history = kt.fine_tune(
        model, data, schedule=PHASES, penalty="l2_sp", optimizer=optimizer, loss=loss, rate="warmup_cosine", verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()


def test_a_script_of_ones_own(data):
    model, free = build(), build()
    for each in (model, free):
        kt.set_trainable(each, "all")
    kept = kt.PenaltyModel(model, kt.penalties.L2SP(100.0))
    for each in (kept, free):
        each.compile(keras.optimizers.SGD(1e-2), "sparse_categorical_crossentropy")
        data.start_epoch(0)
        each.fit(data.train, epochs=1, shuffle=False, verbose=0)
    begin = build().get_weights()

    def far(which):
        return sum(float(((a - b) ** 2).sum()) for a, b in zip(which.get_weights(), begin, strict=True))

    assert 0 < far(model) < far(free)


# refused


def test_too_strong_a_penalty_is_told_and_good_weights_are_left(data):
    with pytest.warns(kt.DataWarning, match="diverged"):
        model, _ = trained(data, kt.penalties.L2SP(1e30), phases=(kt.Phase(3, "all", 1.0),), optimizer="sgd")
    assert np.isfinite(kt.evaluate(model, data.validation).metrics["loss"])


def test_a_model_with_random_weights_has_nothing_to_keep_near(data):
    model = kt.build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
    with pytest.raises(kt.InputError, match="penalty.*random weights.*imagenet"):
        kt.fine_tune(model, data, penalty="l2_sp")


@pytest.mark.parametrize("wrong", ["l2", 3, [], kt.penalties.L2SP, ["l2_sp", 4]])
def test_what_is_no_penalty_is_refused(data, wrong):
    with pytest.raises(kt.InputError, match="penalty"):
        kt.fine_tune(build(), data, penalty=wrong)


@pytest.mark.parametrize("make", [lambda: kt.penalties.L2SP(-1), lambda: kt.penalties.BatchSpectralShrinkage(k=0)])
def test_a_strength_out_of_range_is_refused(make):
    with pytest.raises(kt.InputError):
        make()


def test_weights_are_compared_in_their_own_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build()
        kt.set_trainable(model, "all")
        kept = PenaltyModel(model, kt.penalties.L2SP(alpha=2.0, beta=0.0))
    finally:
        keras.config.set_dtype_policy("float32")
    for weight in model.trainable_weights:
        weight.assign(weight + 1e-5)  # which float16 cannot tell
    moved = sum(weight.numpy().size for weight in model.trainable_weights if "logits" not in weight.path)
    assert penalty_of(kept, tf.zeros((2, 32, 32, 3))) == pytest.approx(moved * 1e-10, rel=0.05)


def test_a_function_may_have_a_name(monkeypatch):
    monkeypatch.setitem(kt.penalties.PENALTIES._parts, "mine", lambda step: 2.0)
    assert float(kt.penalties.find_penalty("mine").loss(kt.penalties.Step([], [], None))) == 2.0
