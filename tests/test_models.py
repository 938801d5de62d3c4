"""build_model: what it builds, what it refuses, and how it says so."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import mostly_slow, toy_backbone, toy_network
from networks import computing_in, part_named, poolings_and_heads

import keras_transfer as kt
from keras_transfer._keras.still import layers_inside

SMALL = {"weights": None, "image_size": 32, "backbone_options": {"alpha": 0.25}}


@pytest.mark.parametrize(("pooling", "head"), poolings_and_heads())
def test_every_pooling_and_head_trains_and_reloads_without_this_package(pooling, head, tmp_path):
    model = kt.build_model(toy_backbone(), 3, image_size=32, pooling=pooling, head=head)
    images, labels = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32"), np.arange(8) % 3
    labels = labels.reshape(8, *(1 for _ in model.output_shape[1:-1])) + np.zeros((8, *model.output_shape[1:-1]), int)
    eagerly = pooling != "avg" and head != "linear"  # each is traced once, with the plain one of the other kind
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy", run_eagerly=eagerly)
    model.fit(images, labels, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    assert b"keras_transfer" not in (tmp_path / "model.keras").read_bytes()
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(again(images), model(images))


@pytest.mark.parametrize(("activation", "total"), [("softmax", True), ("sigmoid", False), ("linear", False)])
def test_activations(activation, total):
    model = kt.build_model(toy_backbone(), 3, image_size=32, activation=activation, head="mlp")
    output = model(np.full((2, 32, 32, 3), 99, "uint8")).numpy()
    assert model.get_layer("predictions").activation.__name__ == activation
    assert (abs(output.sum(axis=1) - 1).max() < 1e-6) == total


def test_a_head_and_a_pooling_may_be_functions():
    model = kt.build_model(
        toy_backbone(),
        4,
        image_size=32,
        pooling=lambda x: keras.ops.max(x, axis=(1, 2)),
        head=lambda features, num_classes: keras.layers.Dense(num_classes, name="mine")(features),
    )
    assert model.get_layer("mine").output.shape == (None, 4)


def test_an_own_model_is_copied_with_its_weights():
    network = toy_network()
    model = kt.build_model(network, 3, image_size=32)
    assert kt.stages(model) == ("backbone",)
    assert np.array_equal(model.get_layer("first").kernel, network.get_layer("first").kernel)
    model.get_layer("first").kernel.assign_add(np.ones_like(network.get_layer("first").kernel))
    assert not np.array_equal(model.get_layer("first").kernel, network.get_layer("first").kernel)


def test_a_sequential_and_a_subclassed_model_serve_as_backbones():
    sequential = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv2D(4, 3)

        def call(self, inputs):
            return self.conv(inputs)

    own = Own()
    own(np.zeros((1, 32, 32, 3), "float32"))
    images = np.full((2, 32, 32, 3), 50, "float32")
    for network in (sequential, own):
        model = kt.build_model(network, 2, image_size=32)
        prefix, _ = kt.split(model, "features")
        assert np.allclose(prefix(images), np.mean(network(images), axis=(1, 2)), atol=1e-4)


def test_inner_outputs_can_be_reached_from_the_model():
    model = kt.build_model("ResNet50", 2, weights=None, image_size=32)
    maps = keras.Model(model.input, model.get_layer("conv5_block3_out").output)
    assert maps(np.zeros((1, 32, 32, 3))).shape == (1, 1, 1, 2048)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_answers_in_float32(policy):
    with computing_in(policy):
        model = kt.build_model("MobileNet", 3, **SMALL)
    output = model(np.full((2, 32, 32, 3), 99, "uint8"))
    assert output.dtype == "float32"
    assert np.allclose(np.sum(output, axis=1), 1, atol=1e-6)


def test_gem_is_the_generalised_mean():
    maps = np.random.default_rng(0).uniform(0.1, 2, (2, 3, 4, 5)).astype("float32")
    images = keras.Input((3, 4, 5))
    model = keras.Model(images, kt.pooling.gem(images))
    assert np.allclose(model(maps), (maps**3).mean(axis=(1, 2)) ** (1 / 3), rtol=1e-5)


def test_attention_is_a_weighted_mean():
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    images = keras.Input((3, 4, 5))
    model = keras.Model(images, kt.pooling.attention(images))
    flat = maps.reshape(2, 12, 5)
    hidden = np.tanh(flat @ model.get_layer("attention_hidden").kernel.numpy())
    scores = np.exp(hidden @ model.get_layer("attention_score").kernel.numpy())
    expected = (flat * scores / scores.sum(axis=1, keepdims=True)).sum(axis=1)
    assert np.allclose(model(maps), expected, atol=1e-5)


def test_cosine_head_measures_angles():
    features = keras.Input((6,))
    model = keras.Model(features, kt.heads.cosine(features, 3, scale=2.0))
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    kernel = model.get_layer("cosine").kernel.numpy()
    expected = 2 * (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (kernel / np.linalg.norm(kernel, axis=0))
    assert np.allclose(model(x), expected, atol=1e-5)
    assert np.allclose(np.linalg.norm(kernel, axis=0), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "ResNet5"}, r"Unknown backbone.*Did you mean 'ResNet50'"),
        ({"head": "liner"}, r"Unknown head.*Received: head='liner'. Did you mean 'linear'"),
        ({"pooling": "average"}, r"Unknown pooling"),
        ({"activation": "softmaks"}, r"Unknown activation.*Did you mean 'softmax'"),
        ({"num_classes": 1}, r"2 or more classes with softmax"),
        ({"num_classes": 0}, r"`num_classes` to be a whole number above 0"),
        ({"image_size": 31}, r"`image_size` of 32 pixels or more.*image_size=\(31, 31\)"),
        ({"backbone": "Xception", "image_size": 70, "backbone_options": None}, r"71 pixels or more"),
        ({"weights": "no/such/file.weights.h5"}, r"which is not a file"),
        ({"backbone_options": {"alfa": 1}}, r"`backbone_options` of MobileNet.*alfa"),
        ({"backbone_options": {"depth_multiplier": -1}}, r"cannot build MobileNet"),
        ({"head": lambda features, count: features}, r"a head that returns \(batch, 2\)"),
        ({"backbone": 5}, r"a backbone's name, a kt.Backbone or a keras.Model"),
        (
            {"backbone": kt.Backbone(toy_network(), stages=(("a", "nowhere"), ("b", ""))), "backbone_options": None},
            r"name a layer of 'toy'",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(change, message):
    arguments = {"backbone": "MobileNet", "num_classes": 2, **SMALL, **change}
    with pytest.raises(kt.InputError, match=message):
        kt.build_model(arguments.pop("backbone"), arguments.pop("num_classes"), **arguments)


@pytest.mark.filterwarnings("ignore:Skipping")  # of Keras, before its error
def test_weights_of_another_network_are_refused(tmp_path):
    other = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.5, input_shape=(32, 32, 3))
    other.save_weights(tmp_path / "half.weights.h5")
    with pytest.raises(kt.InputError, match=r"Expected `weights` of MobileNet.*alpha.*half.weights.h5"):
        kt.build_model("MobileNet", 2, **{**SMALL, "weights": tmp_path / "half.weights.h5"})


def test_weights_from_a_file_arrive(tmp_path):
    source = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3))
    source.save_weights(tmp_path / "own.weights.h5")
    model = kt.build_model("MobileNet", 2, **{**SMALL, "weights": tmp_path / "own.weights.h5"})
    assert np.array_equal(model.get_layer("conv1").kernel, source.get_layer("conv1").kernel)


def test_imagenet_without_a_network_says_how_to_pass_a_file(monkeypatch):
    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure on https://storage.example: None -- no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", no_network)
    with pytest.raises(kt.InputError, match="Pass weights=FILE"):
        kt.build_model("MobileNet", 2, image_size=128, backbone_options={"alpha": 0.25})


def test_a_model_that_is_not_ours_has_no_stages():
    with pytest.raises(kt.InputError, match="made by keras_transfer.build_model.*toy"):
        kt.stages(toy_network())
    with pytest.raises(kt.InputError, match="Received: model=5"):
        kt.stages(5)


def test_split_names_the_stages_there_are(toy):
    with pytest.raises(kt.InputError, match="Did you mean 'middle'"):
        kt.split(toy, "midle")


def test_a_network_that_normalises_keeps_its_statistics():
    images = keras.Input((32, 32, 3))
    normalization = keras.layers.Normalization(axis=-1)
    normalization.adapt(np.random.default_rng(0).uniform(50, 200, (64, 32, 32, 3)).astype("float32"))
    network = keras.Model(images, keras.layers.Conv2D(4, 3)(normalization(images)))
    prefix, _ = kt.split(kt.build_model(network, 2), "features")
    inputs = np.full((1, 32, 32, 3), 80, "float32")
    assert np.allclose(prefix(inputs), np.mean(network(inputs), axis=(1, 2)), atol=1e-5)


@pytest.mark.parametrize("imagenet", mostly_slow([True, False]))
def test_efficientnet_weights_from_a_file_are_scaled_as_the_download_is(tmp_path, imagenet):
    """Keras scales once more for weights="imagenet" alone; a file of the same weights would get other pixels."""
    source = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    normalization = next(layer for layer in source.layers if isinstance(layer, keras.layers.Normalization))
    if imagenet:
        normalization.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
        normalization.finalize_state()
    source.save_weights(tmp_path / "b0.weights.h5")
    model = kt.build_model("EfficientNetB0", 2, weights=tmp_path / "b0.weights.h5", image_size=32)
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    scaled = keras.Model(model.input, model.get_layer("stem_conv_pad").input)(image)
    expected = image / 255
    if imagenet:
        expected = (expected - [0.485, 0.456, 0.406]) / np.array([0.229, 0.224, 0.225])
    assert np.allclose(scaled, expected, atol=1e-5)


def test_a_layer_used_twice_is_laid_out_twice():
    images = keras.Input((32, 32, 3))
    shared = keras.layers.Conv2D(3, 3, padding="same", activation="relu")
    network = keras.Model(images, shared(shared(images)))
    prefix, _ = kt.split(kt.build_model(network, 2), "features")
    inputs = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    assert np.allclose(prefix(inputs), np.mean(network(inputs), axis=(1, 2)), rtol=1e-4)


def test_reserved_names_and_wrong_outputs_are_refused():
    with pytest.raises(kt.InputError, match="without layers of the names"):
        kt.build_model(kt.split(kt.build_model(toy_backbone(), 3), "features")[0], 2)
    images = keras.Input((32, 32, 3))
    with pytest.raises(kt.InputError, match=r"a feature map .* or a vector"):
        kt.build_model(keras.Model(images, keras.layers.Reshape((32, 32, 3, 1))(images)), 2)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (
            Exception("URL fetch failure on https://storage.example: None -- no route"),
            kt.DownloadError,
            "be downloaded",
        ),
        (ValueError("The auto file hash does not match the provided value"), kt.DownloadError, "is damaged"),
        (ValueError("Unknown alpha"), kt.InputError, "Keras cannot build Own.*Unknown alpha"),
        (UserWarning("`input_shape` is undefined"), UserWarning, "is undefined"),
        (MemoryError("out of memory"), MemoryError, "out of memory"),
    ],
)
def test_what_hinders_a_network_is_told_apart(error, kind, said):
    def Own(**options):
        raise error

    with pytest.raises(kind, match=said) as caught:
        kt.build_model(kt.Backbone(Own, image_size=32), 2)
    assert type(caught.value) is kind


class WithoutConfig(keras.layers.Layer):
    """A layer that Keras cannot make again: its constructor needs what get_config does not return."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def call(self, inputs):
        return self.change(inputs)


class WithoutOptions(keras.Model):
    """A network as people write it: its constructor takes no `name` and no `trainable`."""

    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(2, 3)

    def call(self, images):
        return self.conv(images)


def test_a_network_whose_constructor_takes_no_options_of_keras_is_copied():
    network = WithoutOptions()
    network(np.zeros((1, 16, 16, 3)))
    model = kt.build_model(network, 2, image_size=16)
    (copied,) = [layer for layer in model.layers if isinstance(layer, WithoutOptions)]
    assert copied is not network and np.array_equal(copied.conv.kernel, network.conv.kernel)
    kt.set_trainable(model, "head")
    assert network.trainable and network.conv.trainable and not copied.trainable


def test_a_layer_that_keras_cannot_copy_is_refused_and_the_users_network_stays_as_it_is():
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(2, 3), WithoutConfig(lambda x: x * 2)])
    with pytest.raises(kt.InputError, match="Expected layers that Keras can copy.*WithoutConfig.*get_config"):
        kt.build_model(network, 2, image_size=16)
    assert all(layer.trainable and "call" not in vars(layer) for layer in layers_inside(network))


def test_generalised_means_stay_in_float32_under_mixed_precision():
    with computing_in("mixed_float16"):
        model = kt.build_model(toy_backbone(), 2, image_size=32, pooling="gem")
        average = kt.build_model(toy_backbone(), 2, image_size=32)
    assert model.get_layer("features").output.dtype == "float32"
    assert average.get_layer("features").output.dtype == "float16"
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    cut = keras.Model(model.inputs[0], [model.get_layer("stage_late").output, model.get_layer("features").output])
    feature_map, features = (np.asarray(part, np.float64) for part in cut(images))
    assert np.allclose(features, (np.maximum(feature_map, 1e-6) ** 3).mean(axis=(1, 2)) ** (1 / 3), rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "toy",
        pytest.param("MobileNetV2 up to block3", marks=pytest.mark.slow),
        pytest.param("ResNet50 up to conv2", marks=pytest.mark.slow),
        pytest.param("EfficientNetB0 up to block2", marks=pytest.mark.slow),
    ],
)
def test_a_model_for_images_of_any_size(name, tmp_path):
    fixed = kt.build_model(part_named(name), 2, weights=None, image_size=48)
    model = kt.build_model(part_named(name), 2, weights=None, image_size=(None, None))
    assert model.input_shape == (None, None, None, 3)
    model.set_weights(fixed.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 3)).astype("uint8")
    assert np.allclose(model.predict(images, verbose=0), fixed.predict(images, verbose=0), atol=1e-5)
    assert model.predict(images[:, :40, :33], verbose=0).shape == (16, 2)
    if name == "toy":
        data = kt.data.from_arrays(images, np.arange(16) % 2)
        kt.fine_tune(model, data, epochs=2, verbose=0)
        version = kt.export(model, tmp_path, data=data)
        assert kt.load(version).image_size == (48, 48)
        with pytest.raises(kt.InputError, match="whose image size the version then has"):
            kt.export(model, tmp_path)
        with pytest.raises(kt.InputError, match="'flatten' with any image size"):
            kt.build_model(part_named(name), 2, image_size=(None, None), pooling="flatten")
        with pytest.raises(kt.InputError, match=r"\(None, None\) for any size"):
            kt.build_model(part_named(name), 2, image_size=(None, 48))


def test_channels_in_the_first_axis_are_refused_in_words():
    part = part_named("toy")
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(kt.InputError, match=r"channels_last.*Received: channels_first.*set_image_data_format"):
            kt.build_model(part, 2)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_a_network_of_many_residual_blocks_is_built_in_seconds():
    """With every way back through its blocks gone by itself, it would never be."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 1)(images)
    for _ in range(40):
        x = keras.layers.Add()([x, keras.layers.Identity()(x)])
    network = keras.Model(images, keras.layers.Conv2D(4, 1, name="late")(x))
    part = kt.Backbone(network, image_size=8, stages=(("early", "conv2d.*"), ("late", "")))
    assert kt.build_model(part, 2, head="multilayer").get_layer("features").output.shape == (None, 7)
