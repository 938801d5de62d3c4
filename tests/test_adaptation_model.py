"""AdaptationModel: the same loss in a `fit` of one's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.adaptation.adaptation_model import features_of


def datasets(count: int = 16, batch_size: int = 8) -> tuple[tf.data.Dataset, tf.data.Dataset]:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, count, 24, 24, 3)).astype("float32")
    source = tf.data.Dataset.from_tensor_slices((images[0], np.arange(count) % 3)).batch(batch_size)
    return source, tf.data.Dataset.from_tensor_slices(images[1]).batch(batch_size)


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), 3, image_size=24)


def test_a_script_trains_the_plain_model_by_phases_with_callbacks_and_validation(model):
    source, target = datasets()
    adapting = kt.AdaptationModel(model, "dann", weight=0.5)
    adapting.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.get_weights()
    unfreeze = kt.UnfreezeSchedule((kt.Phase(1, "head", 1e-2), kt.Phase(1, 1, 1e-3)))
    history = adapting.fit((source, target), epochs=2, validation_data=source, callbacks=[unfreeze], verbose=0)
    assert set(history.history) == {"loss", "accuracy", "alignment", "val_loss", "val_accuracy"}
    assert unfreeze.began == [0, 1] and history.model is model is adapting.model
    moved = {
        weight.path.split("/")[0]
        for weight, old in zip(model.weights, before, strict=True)
        if not np.array_equal(weight, old)
    }
    assert moved == {"third", "logits"}
    assert len(adapting.weights) == len(model.weights), "the discriminator is no part of it"


def test_the_plain_model_bears_no_trace_of_the_method(model, tmp_path):
    source, target = datasets()
    adapting = kt.AdaptationModel(model, "cdan")
    adapting.compile("sgd", "sparse_categorical_crossentropy")
    adapting.fit((source, target), verbose=0)
    model.save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    assert type(loaded) is type(model) and [a.name for a in loaded.layers] == [a.name for a in model.layers]
    images = next(iter(target))
    assert np.allclose(loaded(images), model(images), atol=1e-6) and np.allclose(adapting(images), model(images))


def test_the_loss_is_the_tasks_plus_weight_times_the_methods(model):
    source, target = datasets(count=8)
    constant = kt.AdaptationModel(model, lambda source, target: tf.constant(3.0), weight=2.0)
    constant.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    kt.set_trainable(constant, "head")
    found = constant.fit((source, target), verbose=0).history
    assert found["alignment"] == [3.0] and found["loss"][0] == pytest.approx(np.log(3) + 6, abs=1e-4)


def test_each_domain_is_normalised_by_its_own_statistics():
    seen = []

    def look(source, target):
        seen.append([source.features, target.features])
        return tf.zeros(())

    images = keras.Input((24, 24, 3))
    norm = keras.layers.BatchNormalization(momentum=0.0, name="norm")  # keeps the latest batch alone
    network = keras.Model(images, norm(keras.layers.Conv2D(4, 3, name="conv")(images)))
    adapting = kt.AdaptationModel(kt.build_model(network, 3, image_size=24), look)
    kt.set_trainable(adapting, "all", train_batch_norm=True)
    adapting.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", run_eagerly=True)
    source, target = datasets(count=8)
    adapting.fit((source, target.map(lambda images: images / 10)), verbose=0)
    assert all(np.allclose(features.numpy().mean(axis=0), 0, atol=1e-4) for features in seen[0])
    latest = adapting.model.get_layer("norm").moving_mean.numpy()
    convolved = adapting.model.get_layer("conv")(next(iter(source))[0]).numpy()
    assert np.allclose(latest, convolved.mean(axis=(0, 1, 2)), rtol=1e-3), "the source is the last in a step"


class Watcher(kt.alignment.SourceOnly):
    """Remembers how far training has come in each step."""

    needs_target = True

    def start(self, channels, num_classes):
        self.seen = []

    def loss(self, source, target, progress):
        self.seen.append(float(progress))
        return tf.zeros(())


def test_progress_goes_from_0_to_1_over_all_epochs_also_where_training_goes_on(model):
    source, target = datasets()
    adapting = kt.AdaptationModel(model, Watcher())
    kt.set_trainable(adapting, "head")
    adapting.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    for first, expected in ((0, [0, 0.25, 0.5, 0.75]), (1, [0.5, 0.75])):
        del adapting.method.seen[:]
        adapting.fit((source, target), epochs=2, initial_epoch=first, verbose=0)
        assert adapting.method.seen == pytest.approx(expected)


@pytest.mark.parametrize(
    "method",
    [
        "mmd",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in kt.available("alignment")
            if name not in ("mmd", "adabn")
        ),
    ],
)
def test_the_step_compiles_under_xla(model, method):
    """As Keras' jit_compile="auto" has it on a machine with a GPU."""
    source, target = datasets(count=8)
    adapting = kt.AdaptationModel(model, method)
    kt.set_trainable(adapting, 1)
    adapting.compile("sgd", "sparse_categorical_crossentropy", jit_compile=True)
    domains = ([source, source], None) if method == "mixstyle" else (source, target)
    assert np.isfinite(adapting.fit(domains, verbose=0).history["loss"]).all()


def test_methods_see_what_enters_the_last_layer_with_weights():
    for head, channels in (("linear", 16), ("mlp", 256), ("cosine", 16)):
        model = kt.build_model(toy_backbone(), 3, image_size=24, head=head)
        assert features_of(model).shape == (None, channels)
    no_weights = kt.build_model(toy_backbone(), 16, image_size=24, head=lambda features, classes: features * 2)
    assert features_of(no_weights) is no_weights.get_layer("features").output


def test_one_method_object_serves_two_models_each_with_a_discriminator_of_its_own(model):
    def learnt(method: kt.alignment.Alignment, *also: keras.Model) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        first = kt.AdaptationModel(kt.build_model(toy_backbone(), 3, image_size=24), method)
        for other in also:
            kt.AdaptationModel(other, method)
        kt.set_trainable(first, "head")
        first.compile("sgd", "sparse_categorical_crossentropy")
        first.fit(datasets(), verbose=0)
        return [np.array(variable) for variable in first.method.variables]

    wide = kt.build_model(toy_backbone(), 3, image_size=24, head="mlp")
    alone, shared = learnt(kt.alignment.DANN(units=(4,))), learnt(kt.alignment.DANN(units=(4,)), wide, model)
    assert all(np.array_equal(one, other) for one, other in zip(alone, shared, strict=True))


def test_a_model_without_probabilities_that_sum_to_1_is_refused():
    for activation, classes in (("sigmoid", 3), ("linear", 3)):
        other = kt.build_model(toy_backbone(), classes, image_size=24, activation=activation)
        with pytest.raises(kt.InputError, match=f"activation='softmax', one class an image. Received: '{activation}'"):
            kt.AdaptationModel(other)
    images = keras.Input((24, 24, 3))
    with pytest.raises(kt.InputError, match="activation='softmax'"):
        kt.AdaptationModel(keras.Model(images, keras.layers.GlobalAveragePooling2D()(images)))


def test_mixstyle_needs_two_stages_between_which_it_mixes():
    network = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Conv2D(4, 3)])
    one_stage = kt.build_model(network, 3, image_size=24)
    with pytest.raises(kt.InputError, match="two stages or more for 'mixstyle'.*Received: 1"):
        kt.AdaptationModel(one_stage, "mixstyle")


def test_what_cannot_work_is_refused(model):
    source, target = datasets()
    with pytest.raises(kt.InputError, match="Did you mean 'coral'"):
        kt.AdaptationModel(model, "corall")
    with pytest.raises(kt.InputError, match="`weight`"):
        kt.AdaptationModel(model, weight=-0.1)
    with pytest.raises(kt.InputError, match=r"Use kt\.adapt"):
        kt.AdaptationModel(model, "adabn")
    adapting = kt.AdaptationModel(model)
    adapting.compile("sgd", "sparse_categorical_crossentropy")
    for wrong, message in (
        ((source, source), "images alone.*Drop labels by"),
        ((target, target), "`source` batches of images and labels"),
        ((source, None), "Expected a `target`"),
        ((None, target), "Expected a labelled `source`"),
        ([source], r"`\(source, target\)` datasets"),
        ((source.repeat(), target), "number of batches is known"),
        ((source.filter(lambda images, labels: True), target), "number of batches is known"),
    ):
        with pytest.raises(kt.InputError, match=message):
            adapting.fit(wrong)
