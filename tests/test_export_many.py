"""Several tasks in one version: the network runs once, and each task answers as its model in memory."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import make_lively, toy_backbone

import keras_transfer as kt
from keras_transfer.serving.exporting_many import shared_cut


def trained(classes, seed, activation="softmax"):
    """A model on one network, which has the same weights each time, with a head of its own."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), classes, activation=activation)
    make_lively(model, kt.Backbone(model), np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)))
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(seed).normal(size=kernel.shape))
    return model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    late = kt.tuned(trained(2, 3), "scale_shift")
    for name in ("tuning_scale_of_third_bn",):
        late.get_layer(name).bias.assign(np.full(16, 0.3))
    found = {"colours": trained(3, 1), "labels": trained(4, 2, "sigmoid"), "late": late}
    found["colours"].class_names = ("red", "green", "blue")
    return found


@pytest.fixture(scope="module")
def version(models, tmp_path_factory):
    return kt.export_many(models, tmp_path_factory.mktemp("many") / "served", class_names={"late": ["no", "yes"]})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    pixels = np.random.default_rng(5).integers(0, 255, (3, 32, 32, 3), "uint8")
    for number, image in enumerate(pixels):
        keras.utils.save_img(folder / f"{number}.png", image, scale=False)
    return pixels, sorted(folder.iterdir())


def test_every_task_answers_as_its_model(version, models, files):
    pixels, paths = files
    served = kt.load_many(version.parent)
    assert served.tasks == ("colours", "labels", "late")
    predicted, of_arrays = served.predict(paths), served.predict(pixels)
    for name, model in models.items():
        expected = model.predict(pixels.astype("float32"), verbose=0)
        found = np.array([list(each.probabilities.values()) for each in predicted[name]])
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(served[name].predict_probabilities(paths), expected, atol=1e-5)
        np.testing.assert_allclose(served[name].predict_probabilities(pixels), expected, atol=1e-5)
        assert of_arrays[name][0].class_name == predicted[name][0].class_name
    np.testing.assert_allclose(
        served["labels"].function(pixels.astype("float32"))[0], models["labels"].predict(pixels, verbose=0), atol=1e-5
    )
    assert set(predicted["colours"][0].probabilities) == {"red", "green", "blue"}
    assert set(predicted["late"][0].probabilities) == {"no", "yes"}
    with pytest.raises(kt.InputError, match="Did you mean 'colours'"):
        served["colors"]


def test_the_common_part_is_there_once(version, models):
    """Of the tuned model all but the last stage: what its tuning changed stands there a second time."""
    description = json.loads((version / "keras_transfer.json").read_text())
    assert description["shared_up_to"] == "late" and list(description["tasks"]) == list(models)
    sizes = [np.prod(shape) for _, shape in tf.train.list_variables(version / "variables" / "variables") if shape]
    network = kt.tunable(models["colours"])
    late = next(part.parameters for part in network.parts if part.name == "late")
    shared = sum(part.parameters for part in network.parts if part.name in ("early", "middle"))
    heads = sum(kt.tunable(model).parts[-1].parameters for model in models.values())
    assert sum(sizes) == shared + 3 * late + heads
    assert shared_cut({"a": trained(2, 1), "b": trained(5, 2)}) == "features"


def test_signatures_are_named_by_task_and_output(version):
    module = tf.saved_model.load(str(version))
    assert set(module.signatures) == {
        *("serving_default", "predict_images", "predict_images_uint8", "decode_images", "colours", "labels", "late")
    }
    outputs = module.signatures["serving_default"].structured_outputs
    assert {"colours_class_names", "colours_probabilities", "labels_present", "late_class_ids"} <= set(outputs)
    assert set(module.signatures["colours"].structured_outputs) == {"class_names", "class_ids", "probabilities"}
    verified = json.loads((version / "verification.json").read_text())["tasks"]
    assert all(result["passed"] for result in verified.values()) and set(verified) == {"colours", "labels", "late"}
    assert (version / "tasks" / "late" / "model_card.md").is_file()
    assert kt.load_many(version, check=True).tasks


def test_a_version_with_several_tasks_is_not_taken_for_another(version, served_colours):
    with pytest.raises(kt.InputError, match="load_many"):
        kt.load(version)
    with pytest.raises(kt.InputError, match="export_many"):
        kt.load_many(served_colours)


def test_models_that_do_not_go_together_are_refused(models, tmp_path):
    one = models["colours"]
    keras.utils.set_random_seed(9)
    other = kt.build_model(toy_backbone(), 2)
    with pytest.raises(kt.InputError, match="no stage in common"):
        kt.export_many({"one": one, "other": other}, tmp_path)
    with pytest.raises(kt.InputError, match="image_size"):
        kt.export_many({"one": one, "other": kt.build_model(toy_backbone(), 2, image_size=48)}, tmp_path)
    for name in ("serving_default", "two words", "", 3, "1st"):
        with pytest.raises(kt.InputError, match="names of tasks"):
            kt.export_many({name: one}, tmp_path)
    with pytest.raises(kt.InputError, match="empty"):
        kt.export_many({}, tmp_path)
    with pytest.raises(kt.InputError, match="strangers|tasks"):
        kt.export_many({"one": one}, tmp_path, class_names={"two": ["a", "b", "c"]})
    with pytest.raises(kt.DataError):
        kt.export_many({"one": one}, tmp_path, class_names={"one": ["a"]})
    assert not list(tmp_path.iterdir())


def test_a_version_that_answers_otherwise_is_not_published(models, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_transfer.serving.exporting_many.fold", lambda model: trained(model.output_shape[-1], 7))
    with pytest.raises(kt.VerificationError, match="Task 'colours'"):
        kt.export_many({"colours": models["colours"]}, tmp_path / "served")
    assert not list((tmp_path / "served").iterdir())


def test_data_tells_names_and_pictures(models, tmp_path, pictures):
    data = kt.data.from_directory(pictures, image_size=32, resize="pad", seed=0)
    version = kt.export_many({"colours": trained(3, 1)}, tmp_path / "served", data={"colours": data})
    served = kt.load_many(version)["colours"]
    assert served.class_names == data.class_names and served.description.images.resize == "pad"
    shutil.rmtree(version)
    assert isinstance(version, Path)
