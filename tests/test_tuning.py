"""Small tunings: the same numbers at first, only what is theirs is trained, and nothing of them is left when folded."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_lively, mostly_slow, toy_backbone
from keras import layers

import keras_transfer as kt
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.stages import layers_before
from keras_transfer.models.tuning import TUNINGS
from keras_transfer.models.tuning.tuning import ADDED, tuning_of

SMALL = sorted(set(TUNINGS.names()) - {"full"}, key=lambda name: (name != "lora", name))  # the one with traps first
FOLDED = [name for name in SMALL if TUNINGS.find(name).folds]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = rng.normal(100 + 50 * labels[:, None, None, None], 40, (48, 32, 32, 3)).clip(0, 255).astype("uint8")
    return kt.data.from_arrays(images, labels, class_names=["dark", "light"], validation_split=0.25, batch_size=12)


def lively(data, **options):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, **options)
    make_lively(model, kt.Backbone(model), pixels(data))
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape))
    return model


def pixels(data, count=16):
    return data.splits["train"].items[:count].astype("float32")


def outputs(model, images):
    features = keras.Model(model.inputs[0], [model.get_layer("features").output, model.outputs[0]])
    return [np.asarray(values) for values in features(images, training=False)]


def stirred(model, seed=0, size=0.1):
    """Gives what the tuning trains other values, as training does."""
    rng, tuning = np.random.default_rng(seed), tuning_of(model)
    for layer in layers_before(model, "head"):
        for variable in tuning.opened(layer):
            variable.assign(np.asarray(variable) + size * rng.normal(size=variable.shape))
    return model


@pytest.mark.parametrize("name", TUNINGS.names())
def test_a_tuned_model_gives_the_same_numbers_at_first(name, data):
    model = lively(data)
    before = model.get_weights()
    copy = kt.tuned(model, name)
    for ours, theirs in zip(outputs(copy, pixels(data)), outputs(model, pixels(data)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert kt.stages(copy) == kt.stages(model) and copy.origin == model.origin
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("schedule", mostly_slow([(kt.Phase(2, "all", 1e-2),), "gradual", "fine_tune"]))
@pytest.mark.parametrize("name", SMALL)
def test_training_changes_what_the_tuning_trains_and_nothing_else(name, schedule, data):
    model = kt.tuned(lively(data), name)
    tuning = tuning_of(model)
    own = {id(each) for layer in layers_before(model, "head") for each in tuning.opened(layer)}
    head = {id(each) for each in model.get_layer("logits").weights}
    before = [(variable, np.asarray(variable)) for variable in model.weights]
    phases = {} if isinstance(schedule, tuple) else {"epochs": 4, "learning_rate": 1e-2}
    kt.fine_tune(model, data, schedule=schedule, **phases, patience=None, cache=False, verbose=0)
    moved = {id(variable) for variable, values in before if not np.array_equal(values, variable)}
    assert moved <= own | head, [each.path for each, _ in before if id(each) in moved - own - head]
    assert moved & own and moved & head


@pytest.mark.parametrize("name", mostly_slow(SMALL))
def test_a_later_stage_alone_is_tuned_and_the_cache_changes_nothing(name, data):
    found = []
    for cache in ("memory", False):
        model = kt.tuned(lively(data), name)
        phases = (kt.Phase(1, "head", 1e-2), kt.Phase(2, "late", 1e-2, layer_decay=0.5))
        before = [np.asarray(each) for layer in layers_before(model, "late") for each in layer.weights]
        keras.utils.set_random_seed(3)
        history = kt.fine_tune(model, data, schedule=phases, cache=cache, verbose=0)
        after = [np.asarray(each) for layer in layers_before(model, "late") for each in layer.weights]
        assert all(map(np.array_equal, before, after)), "a stage that is not open is still"
        found.append((model.get_weights(), history.history["val_loss"]))
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4)
    for ours, theirs in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", FOLDED)
def test_folded_it_is_the_network_without_the_tuning(name, data):
    model = lively(data)
    copy = stirred(kt.tuned(model, name))
    plain = kt.fold(copy)
    assert tuning_of(plain) is None and not [layer for layer in plain.layers if layer.name.startswith(ADDED)]
    assert [layer.name for layer in plain.layers] == [layer.name for layer in model.layers]
    assert plain.count_params() == model.count_params()
    there, here = outputs(copy, pixels(data)), outputs(plain, pixels(data))
    assert np.abs(there[0] - outputs(model, pixels(data))[0]).max() > 0.01, "the tuning has been stirred"
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert kt.fold(plain) is plain


HARD = ["MobileNetV2", "VGG16", "InceptionV3", "ConvNeXtTiny", "DenseNet121", "ResNet50V2", "Xception", "NASNetMobile"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("backbone", [*HARD, *sorted(set(BACKBONES.names()) - set(HARD))])
def test_folding_is_exact_over_every_backbone(backbone, name):
    """In float64, since fifty random layers enlarge the rounding of float32 a thousandfold, whatever is folded."""
    side = max(BACKBONES.find(backbone).min_image_size, 64)
    images = np.random.default_rng(0).uniform(0, 255, (4, side, side, 3)).astype("float32")
    keras.config.set_dtype_policy("float64")
    try:
        model = kt.build_model(backbone, 2, weights=None, image_size=side)
        make_lively(model, kt.Backbone(model), images)
        before = outputs(model, images)
        copy = kt.tuned(model, name)
        for ours, theirs in zip(outputs(copy, images), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        there, plain = outputs(stirred(copy, size=0.03), images)[0], kt.fold(copy)
        here = outputs(plain, images)[0]
    finally:
        keras.config.set_dtype_policy("float32")
    assert plain.count_params() <= model.count_params() * 1.01 and len(plain.layers) == len(model.layers)
    assert np.abs(there - before[0]).max() > 1e-7
    np.testing.assert_allclose(here, there, atol=1e-9 * np.abs(there).max())


@pytest.mark.parametrize("name", mostly_slow(SMALL))
def test_saved_reloaded_and_exported_it_is_the_same_model(name, data, tmp_path):
    model = stirred(kt.tuned(lively(data), name))
    expected = outputs(model, pixels(data))[1]
    model.save(tmp_path / "tuned.keras")
    for reloaded in (keras.models.load_model(tmp_path / "tuned.keras"), kt.load_model(tmp_path / "tuned.keras")):
        np.testing.assert_allclose(reloaded.predict(pixels(data), verbose=0), expected, atol=1e-6)
        assert type(tuning_of(reloaded)) is type(tuning_of(model))
    version = kt.export(reloaded, tmp_path / "served", data=data)  # which is verified against the tuned model
    served = tf.saved_model.load(str(version)).signatures["predict_images"](images=tf.constant(pixels(data)))
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    if TUNINGS.find(name).folds:
        sizes = [np.prod(shape) for key, shape in tf.train.list_variables(version / "variables" / "variables") if shape]
        assert sum(sizes) == kt.build_model(toy_backbone(), 2).count_params()
    history = kt.fine_tune(reloaded, data, schedule=(kt.Phase(1, "all", 1e-2),), cache=False, verbose=0)
    assert history.epoch == [0]
    assert np.abs(reloaded.predict(pixels(data), verbose=0) - expected).max() > 1e-4, "it goes on learning"


def test_lora_learns_again_after_keras_has_loaded_it(data, tmp_path):
    """Keras loads both matrices as zero, with their product in the kernel: no gradient would ever leave there."""
    model = stirred(kt.tuned(lively(data), "lora"))
    model.save(tmp_path / "tuned.keras")
    reloaded = keras.models.load_model(tmp_path / "tuned.keras")
    third = reloaded.get_layer("third")
    assert not np.asarray(third.lora_kernel_a).any()
    expected = outputs(reloaded, pixels(data))[0]
    kt.set_trainable(reloaded, "all")
    assert np.asarray(third.lora_kernel_a).any()
    np.testing.assert_array_equal(outputs(reloaded, pixels(data))[0], expected)


def test_a_run_that_was_stopped_goes_on(data, tmp_path):
    phases = (kt.Phase(1, "head", 1e-2), kt.Phase(3, "all", 1e-2))
    whole = kt.tuned(lively(data), "lora")
    kt.fine_tune(whole, data, schedule=phases, cache=False, verbose=0)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    begun = kt.tuned(lively(data), "lora")
    with pytest.raises(KeyboardInterrupt):
        kt.fine_tune(begun, data, schedule=phases, cache=False, resume_dir=tmp_path, callbacks=[Stop()], verbose=0)
    rest = kt.tuned(lively(data), "lora")
    kt.fine_tune(rest, data, schedule=phases, cache=False, resume_dir=tmp_path, verbose=0)
    for ours, theirs in zip(rest.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_fit_of_ones_own_trains_the_same(data):
    model = kt.tuned(lively(data), "scale_shift")
    model.compile("adam", "sparse_categorical_crossentropy")
    before = np.asarray(model.get_layer("third").kernel)
    model.fit(data.train, callbacks=[kt.UnfreezeSchedule((kt.Phase(1, "all", 1e-2),))], shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_layer("third").kernel, before)
    assert np.abs(np.asarray(model.get_layer("tuning_scale_of_third_bn").bias)).max() > 0


@pytest.mark.parametrize("name", SMALL)
def test_random_layers_of_a_tuned_network_are_still(name, data):
    """Rule 3: what is not trained runs as in inference, though its stage is open."""
    model = kt.tuned(lively(data), name)
    kt.set_trainable(model, "all")
    first, second = (np.asarray(model(pixels(data), training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, outputs(model, pixels(data))[1], atol=1e-6)


@pytest.mark.slow
def test_half_precision_and_recipes_take_a_tuned_model(data):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = kt.tuned(lively(data), "lora")
    finally:
        keras.config.set_dtype_policy("float32")
    kt.fine_tune(model, data, schedule=(kt.Phase(1, "all", 1e-2),), cache=False, verbose=0)
    assert np.isfinite(model.predict(pixels(data), verbose=0)).all()
    model = kt.tuned(lively(data), "scale_shift")
    kernel = np.asarray(model.get_layer("third").kernel)
    kt.fine_tune(model, data, recipe="default", penalty="l2_sp", verbose=0)
    np.testing.assert_array_equal(model.get_layer("third").kernel, kernel)


# formulas


def test_lora_adds_the_product_of_its_matrices(data):
    model = stirred(kt.tuned(lively(data), kt.tuning.LoRA(rank=2, alpha=6)))
    layer = model.get_layer("third")
    thin = np.asarray(layer.lora_kernel_a) @ np.asarray(layer.lora_kernel_b)
    expected = np.asarray(lively(data).get_layer("third").kernel) + 3 * thin
    np.testing.assert_allclose(kt.fold(model).get_layer("third").kernel, expected, atol=1e-6)


def test_scale_and_shift_stand_behind_normalisations_and_before_activations():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="with_relu")(images)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = layers.Conv2D(5, 1, use_bias=False, name="normed")(x)
    x = layers.BatchNormalization(scale=False, name="norm")(x)
    model = kt.build_model(kt.Backbone(keras.Model(images, x), image_size=8), 2)
    copy = kt.tuned(model, "scale_shift")
    added = {layer.name.removeprefix("tuning_scale_of_") for layer in copy.layers if "tuning_scale_of" in layer.name}
    assert added == {"with_relu", "depthwise", "norm"}
    stirred(copy, size=0.5)
    scale = copy.get_layer("tuning_scale_of_with_relu")
    pictures = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    gamma, beta = (each.reshape(-1) for each in scale.get_weights())
    linear = np.asarray(keras.ops.conv(pictures, model.get_layer("with_relu").kernel))
    expected = np.maximum(gamma * (linear + np.asarray(model.get_layer("with_relu").bias)) + beta, 0)
    reached = keras.Model(copy.input, copy.get_layer("tuning_activation_of_with_relu").output)
    np.testing.assert_allclose(reached(pictures), expected, atol=1e-5)
    plain = kt.fold(copy)
    assert plain.get_layer("with_relu").activation is keras.activations.relu
    for ours, theirs in zip(outputs(plain, pictures), outputs(copy, pictures), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_adapter_adds_a_bottleneck_to_what_passes(data):
    model = stirred(kt.tuned(lively(data), kt.tuning.Adapter(reduction=2)))
    names = ("down", "depthwise", "up")
    part = keras.Model(model.input, [model.get_layer("middle_end").output, model.get_layer("stage_middle").output])
    before, after = part(pixels(data))
    found = before
    for name in names:
        found = model.get_layer(f"tuning_stage_middle_{name}")(found)
        found = keras.ops.relu(found) if name == "depthwise" else found
    np.testing.assert_allclose(after, before + found, atol=1e-5)
    blocks = kt.tuned(lively(data), kt.tuning.Adapter(where="blocks"))
    assert blocks.get_layer("tuning_middle_end_up") and "tuning_stage_middle_up" not in [x.name for x in blocks.layers]


def test_biases_and_normalisations_are_what_their_name_says(data):
    model = kt.tuned(lively(data), "bias_and_norm")
    kt.set_trainable(model, "all")
    backbone = [each.path for layer in layers_before(model, "head") for each in layer.trainable_variables]
    assert len(backbone) == 3 + 2 * 3 and all(path.split("/")[-1] in ("bias", "gamma", "beta") for path in backbone)


# what is told, and refused


def test_tunable_counts_what_is_trained_and_names_what_is_not_reached(data):
    model = lively(data)
    found = kt.tunable(model, tuning="lora")
    copy = kt.tuned(model, "lora")
    kt.set_trainable(copy, "all")
    assert found.trained == sum(int(np.prod(each.shape)) for each in copy.trainable_variables)
    assert found.parameters == copy.count_params()
    assert found.passed_over == {"BatchNormalization": 3} and found.reached == 3
    assert [part.name for part in found.parts] == ["early", "middle", "late", "head"]
    assert kt.tunable(copy, "late").parts[0].trained == 0
    shown = str(found)
    assert "LoRA(rank=4" in shown and "3 BatchNormalization" in shown and "all" in shown
    kt.set_trainable(model, "head")
    assert kt.tunable(model).parts[0].trained == 8 * 3 * 9 + 8, "BatchNorm stays still"
    assert len(model.trainable_variables) == 2, "the model stays as it was"
    assert found.to_dict()["trained"] == found.trained


def test_tunings_that_cannot_be_are_refused(data):
    model = lively(data)
    with pytest.raises(kt.InputError, match="reaches"):
        kt.tuned(model, kt.tuning.LoRA(rank=500))
    with pytest.raises(kt.InputError, match="rank"):
        kt.tuning.LoRA(rank=0)
    with pytest.raises(kt.InputError, match="fold"):
        kt.tuned(kt.tuned(model, "lora"), "scale_shift")
    with pytest.raises(kt.InputError, match="Did you mean 'lora'"):
        kt.tuned(model, "lorra")
    with pytest.raises(kt.InputError, match="build_model"):
        kt.tuned(keras.Sequential([keras.Input((3,)), layers.Dense(2)]), "lora")
    with pytest.raises(kt.InputError, match="stages"):
        kt.tuning.Adapter(where="stage")

    class Silent(layers.Layer):
        def call(self, inputs):
            return inputs * 2

    images = keras.Input((8, 8, 3))
    own = kt.build_model(kt.Backbone(keras.Model(images, Silent()(images)), image_size=8), 2)
    for name in ("lora", "bias_and_norm", "scale_shift"):
        with pytest.raises(kt.InputError, match="reaches"):
            kt.tuned(own, name)


def test_lora_reaches_layers_inside_others():
    """Keras keeps no config of theirs: a copy gets the matrices all the same."""
    images = keras.Input((8, 8, 3))
    x = layers.Reshape((64, 4))(layers.Conv2D(4, 1, name="outer")(images))
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    model = kt.build_model(kt.Backbone(keras.Model(images, layers.Reshape((8, 8, 4))(x)), image_size=8), 2)
    copy = stirred(kt.tuned(model, kt.tuning.LoRA(rank=2)))
    assert kt.tunable(copy).passed_over == {}
    assert sum("lora" in variable.path for variable in copy.get_layer("attention").trainable_variables) == 8
    pictures = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(outputs(kt.fold(copy), pictures)[0], outputs(copy, pictures)[0], atol=1e-5)
    assert len(kt.fold(copy).trainable_variables) == len(model.trainable_variables)


@pytest.mark.parametrize("name", SMALL)
def test_a_layer_that_is_called_twice_is_tuned_once_or_left_alone(name):
    images = keras.Input((8, 8, 3))
    twice = layers.Conv2D(3, 3, padding="same", name="twice")
    x = layers.Add(name="add")([twice(twice(images)), images])
    model = kt.build_model(kt.Backbone(keras.Model(images, layers.Conv2D(4, 1, name="once")(x)), image_size=8), 2)
    copy = stirred(kt.tuned(model, kt.tuning.LoRA(rank=2) if name == "lora" else name))
    pictures = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(outputs(kt.fold(copy), pictures)[0], outputs(copy, pictures)[0], atol=1e-4)


def test_parts_by_name_are_there_in_a_fresh_process():
    code = "import keras_transfer as kt; kt.tuning.LoRA(2); kt.ranking.Evidence"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
