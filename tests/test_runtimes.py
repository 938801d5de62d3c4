"""Files for other runtimes answer what the SavedModel answers, alone and by name, or are not published."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, make_lively, mostly_slow, toy_backbone
from PIL import Image
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.cli import app
from keras_transfer.data.examples import Examples
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.runtimes import FORMATS, Tolerance
from keras_transfer.runtimes.samples import MIN_CALIBRATION
from keras_transfer.serving.description import describe
from keras_transfer.serving.versions import find_version
from keras_transfer.tasks import task_of_activation

EXACT = [name for name in kt.available("format") if FORMATS.find(name).tolerance.largest <= 1e-5]
# The small network below has what trips converters; the networks themselves take minutes: `make test-slow`.
EVERY = [pytest.param(name, EXACT, marks=pytest.mark.slow) for name in kt.available("backbone")]


@pytest.fixture(scope="module")
def version(exported) -> Path:
    return exported


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def report(version, data, folder) -> kt.RuntimeReport:
    return kt.compare_runtimes(version, data=data, path=folder)


@pytest.fixture(scope="module")
def images(data) -> np.ndarray:
    return np.concatenate([images for images, _ in data.validation])


def ask(name: str, file: Path, images: np.ndarray) -> np.ndarray:
    """Asks a file as its runtime's own documentation says, without this package."""
    if name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        assert [given.name for given in session.get_inputs()] == ["images"]
        return session.run(["probabilities"], {"images": images})[0]
    if name == "openvino":
        import openvino

        model = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return model({"images": images})["probabilities"]
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(file)).get_signature_runner("serving_default")(images=images)["probabilities"]


@pytest.mark.parametrize("name", kt.available("format"))
def test_a_file_answers_alone_for_any_number_of_pictures(name, report, trained, images):
    result = report[name]
    expected = trained[0].predict(images, verbose=0)
    for count in (1, 5):
        found = ask(name, result.path, images[:count])
        assert found.dtype == np.float32
        assert np.abs(found - expected[:count]).max() <= max(result.tolerance.largest, 1e-5)
    assert np.abs(ask(name, result.path, images) - expected).max() == pytest.approx(result.largest, abs=1e-5)


def test_the_report_says_what_each_file_loses_and_gains(report, data, trained, images):
    assert report.passed and [result.format for result in report.results] == ["saved_model", *kt.available("format")]
    labels = np.concatenate([labels for _, labels in data.validation])
    before = float((trained[0].predict(images, verbose=0).argmax(axis=1) == labels).mean())
    assert report["saved_model"].accuracy == before and report.images == len(labels)
    for result in report.results:
        assert result.milliseconds > 0 and result.megabytes > 0
        assert result.agreement >= 0.8 and result.mean <= result.largest
    assert report["litert_float16"].megabytes < report["litert"].megabytes
    assert report.calibration_images == len(data.splits["train"])
    told = report.to_dict()
    assert json.loads(json.dumps(told)) == told and str(report).count("yes") == len(kt.available("format"))


def test_int8_is_int8_from_end_to_end_behind_a_float_door(report):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(report["litert_int8"].path))
    interpreter.allocate_tensors()
    kinds = [tensor["dtype"] for tensor in interpreter.get_tensor_details()]
    assert kinds.count(np.float32) == 2 and kinds.count(np.int8) > 10
    assert {details["dtype"] for details in interpreter.get_input_details()} == {np.float32}
    assert {details["dtype"] for details in interpreter.get_output_details()} == {np.float32}


def test_a_file_lies_beside_what_it_takes_and_answers(report, folder, data):
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"1_{name}" for name in kt.available("format"))
    for name in kt.available("format"):
        described = json.loads((report[name].path.parent / "model.json").read_text())
        assert (report[name].path.parent / described["file"]) == report[name].path
        assert described["input"]["shape"] == [None, 32, 32, 3] and described["input"]["range"] == [0, 255]
        assert described["class_names"] == list(data.class_names) and described["output"]["name"] == "probabilities"
        assert described["measured"]["passed"] and described["input"]["resize"] == "crop"


def test_pixels_as_the_server_decodes_them_give_the_answers_of_the_server(report, version, data):
    files = list(data.splits["validation"].items)
    encoded = [Path(file).read_bytes() for file in files]
    decode = tf.saved_model.load(str(version))
    pixels = decode.signatures["decode_images"](image_bytes=tf.constant(encoded))["images"].numpy()
    expected = kt.load(version).predict_probabilities(files)
    for name in EXACT:
        assert np.abs(ask(name, report[name].path, pixels.astype(np.float32)) - expected).max() <= 1e-5


@pytest.mark.parametrize("size", [(57, 40), (317, 300), (65, 49)])
def test_pixels_made_as_the_document_says_are_those_of_the_server(size, version, tmp_path):
    """Docs/runtimes.md has a function for machines without TensorFlow; files are PNG, where decoders do not differ."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "runtimes.md").read_text(), flags=re.DOTALL)
    (block,) = [block.split("\n\n\nimages")[0] for block in blocks if "def pixels" in block]
    names = {"np": np}
    exec(compile(block, "docs/runtimes.md", "exec"), names)
    Image.fromarray(drawn(1, size[1])[0]).resize(size).save(tmp_path / "picture.png")
    decode = tf.saved_model.load(str(version)).signatures["decode_images"]
    expected = decode(image_bytes=tf.constant([(tmp_path / "picture.png").read_bytes()]))["images"].numpy()[0]
    assert np.abs(names["pixels"](tmp_path / "picture.png", 32, 32) - expected).max() <= 1


def test_a_file_beyond_its_tolerance_is_not_published_and_the_worst_picture_is_named(version, data, tmp_path):
    def wrong(file, output):
        answer = FORMATS.find("litert").open(file, output)
        return lambda images: answer(images) + np.where(np.arange(len(images)) == 4, 0.25, 0)[:, None]

    bad = replace(FORMATS.find("litert"), name="wrong", open=wrong)
    worst = data.splits["validation"].items[4]
    with pytest.raises(kt.InputError, match=rf"2\.5e-01 of at most 1\.0e-05.*Worst pictures: {worst} \(2\.5e-01\)"):
        kt.convert(version, bad, data=data, path=tmp_path)
    assert not list(tmp_path.iterdir())
    report = kt.compare_runtimes(version, [bad, "litert"], data=data, path=tmp_path, limit=5)
    assert not report.passed and not report["wrong"].passed and report["litert"].passed and report.images == 5
    assert [path.name for path in tmp_path.iterdir()] == ["1_litert"]


def test_few_pictures_are_no_measure_of_agreement(report):
    result = replace(report["litert_int8"], images=6, largest=0.1, mean=0.01)
    assert replace(result, agreement=5 / 6).passed and not replace(result, agreement=4 / 6).passed
    assert not replace(result, mean=0.06).passed and not replace(result, largest=float("nan")).passed
    assert replace(result, tolerance=Tolerance(0.1), agreement=None).passed


def test_what_cannot_be_converted_is_refused(version, data, tmp_path, monkeypatch):
    with pytest.raises(kt.InputError, match="Did you mean 'onnx'"):
        kt.convert(version, "onx")
    with pytest.raises(kt.InputError, match="a list of formats"):
        kt.compare_runtimes(version, "onnx")
    with pytest.raises(kt.InputError, match="a version or a folder of versions"):
        kt.convert(tmp_path, "onnx")
    with pytest.raises(kt.InputError, match=f"at least {MIN_CALIBRATION} training pictures.*Received: none"):
        kt.convert(version, "litert_int8")
    train, validation = data.splits["train"], data.splits["validation"]
    few = replace(data, splits={"train": train.take(np.arange(9)), "validation": validation})
    with pytest.raises(kt.InputError, match=f"at least {MIN_CALIBRATION} training pictures.*Received: 9"):
        kt.convert(version, "litert_int8", data=few)
    with pytest.raises(kt.InputError, match="other pictures than it was calibrated with"):
        kt.convert(version, "litert_int8", data=replace(data, splits={"train": train}))
    with pytest.raises(kt.InputError, match="the version's classes"):
        kt.convert(version, "onnx", data=replace(data, class_names=("a", "b", "c")))
    (tmp_path / "1_onnx").mkdir()
    with pytest.raises(kt.InputError, match="a path that does not exist"):
        kt.convert(version, "onnx", path=tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(kt.InputError, match=r'onnxruntime to be installed.*pip install "keras-transfer\[onnx\]"'):
        kt.convert(version, "onnx")


def test_a_full_disk_and_a_failing_converter_leave_nothing(version, tmp_path):
    def disk_full(frozen, file, calibration):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    def unknown_operation(frozen, file, calibration):
        raise RuntimeError("\n  no such operation: Erfinv\nand much more")

    for write, message in ((disk_full, "No space left on device"), (unknown_operation, "Erfinv")):
        with pytest.raises(kt.InputError, match=message):
            kt.convert(version, replace(FORMATS.find("onnx"), write=write), path=tmp_path / "new")
        assert not list(tmp_path.iterdir())
    failing = replace(FORMATS.find("onnx"), write=unknown_operation)
    report = kt.compare_runtimes(version, [failing, "litert"])
    assert not report.passed and "Erfinv" in report["onnx"].error and report["litert"].passed
    assert "error" in str(report) and json.loads(json.dumps(report.to_dict()))["results"][1]["megabytes"] is None


def settled(part: kt.Backbone, network: keras.Model, size: int, activation: str = "softmax") -> keras.Model:
    """Builds a model whose numbers depend on the picture, as those of a trained one do."""
    pictures = drawn(12, size)
    make_lively(network, part, pictures)
    model = kt.build_model(replace(part, network=network), 3, image_size=size, activation=activation)
    features = kt.split(model, "features")[0](pictures).numpy()
    kernel = np.random.default_rng(0).normal(size=(features.shape[-1], 3)).astype("float32")
    kernel /= (features @ kernel).std(axis=0)
    model.get_layer("logits").set_weights([kernel, -(features @ kernel).mean(axis=0)])
    return model


def drawn(count: int, size: int) -> np.ndarray:
    """Draws soft blobs of colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 5, 5, 3)).astype("uint8")
    return np.stack([Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC) for one in coarse])


@pytest.mark.parametrize(("activation", "output"), mostly_slow([("sigmoid", "probabilities"), ("linear", "values")]))
def test_several_labels_and_regression_go_the_same_way(activation, output, tmp_path):
    keras.utils.set_random_seed(0)
    part = toy_backbone()
    model = settled(part, part.network, 32, activation)
    pictures = drawn(40, 32)
    numbers = model.predict(pictures, verbose=0)
    labels = numbers.astype("float32") if activation == "linear" else (numbers > 0.5).astype("int64")
    splits = {"train": Examples(pictures[:30], labels[:30]), "validation": Examples(pictures[30:], labels[30:])}
    data = kt.data.ImageData(splits, ("x", "y", "z"), (32, 32))
    version = kt.export(model, tmp_path / "served", data=data, verify=False)
    report = kt.compare_runtimes(version, ["onnx", "litert_int8"], data=data, path=tmp_path)
    assert report.passed, str(report)
    described = json.loads((tmp_path / "1_onnx" / "model.json").read_text())
    assert described["output"]["name"] == output and described["activation"] == activation
    if activation == "linear":
        assert report["onnx"].accuracy is None and report["onnx"].agreement is None
    else:
        assert report["onnx"].accuracy == 1 and report["litert_int8"].accuracy >= 0.9


def lean_version(model: keras.Model, folder: Path) -> Path:
    """Exports nothing but what is converted: seven signatures of a large network take long to trace."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    images = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="images")
    archive.add_endpoint("predict_images", lambda images: {"probabilities": model(images, training=False)}, [images])
    archive.write_out(str(folder / "1"), verbose=False)
    describe(model, None, "crop").write(folder / "1")
    return folder / "1"


def test_what_trips_converters_is_taken_out_of_the_way(tmp_path):
    """Captured constants, gradients of their own, functions for XLA and erfc: all in one small network."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    images = keras.Input((None, None, 3))
    x = layers.Normalization(mean=[1.0, 2, 3], variance=[900.0, 800, 700])(images)
    x = layers.Activation("swish")(layers.Conv2D(8, 3, strides=2)(x))
    x = layers.Activation("gelu")(layers.Conv2D(8, 3, groups=8)(x))
    network = keras.Model(images, layers.Conv2D(8, 1)(x))
    part = kt.Backbone(network, keras.applications.resnet.preprocess_input, 32)
    report = kt.compare_runtimes(lean_version(settled(part, network, 32), tmp_path), EXACT)
    assert report.passed, str(report)
    assert max(result.largest for result in report.results) <= 1e-5


@pytest.mark.parametrize(("name", "formats"), EVERY)
def test_every_network_answers_the_same_in_float32(name, formats, tmp_path):
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    part = BACKBONES.find(name)
    size = max(part.min_image_size, 32)
    model = settled(part, part.build(None, (size, size), None), size)
    report = kt.compare_runtimes(lean_version(model, tmp_path), formats)
    assert report.passed, str(report)
    spread = np.ptp(model.predict(drawn(12, size), verbose=0), axis=0).max()
    assert spread > 0.05, "the answers must depend on the picture for this to be a test"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:train/ants/imageNotFound.gif:UserWarning")
def test_a_pretrained_network_in_int8_still_tells_ants_from_bees(real_weights, real_data, tmp_path):
    keras.utils.set_random_seed(0)
    data = kt.data.from_directory(real_data / "hymenoptera", image_size=128)
    weights = real_weights / "mobilenetv2_1.0_224_notop.weights.h5"
    model = kt.build_model("MobileNetV2", 2, weights=weights, image_size=128)
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=4, verbose=0)
    version = kt.export(model, tmp_path, data=data, verify=False)
    report = kt.compare_runtimes(version, ["litert", "litert_float16", "litert_int8"], data=data)
    assert report.passed, str(report)
    before = report["saved_model"].accuracy
    assert before >= 0.85 and report["litert"].accuracy == before and report["litert"].largest <= 1e-5
    assert report["litert_int8"].accuracy >= before - 0.04
    assert report["litert_int8"].megabytes < 0.35 * report["litert"].megabytes


def test_numbers_are_those_of_numpy():
    numbers, expected = np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([[0.6, 0.4], [0.6, 0.4]])
    one, several, values = map(task_of_activation, ("softmax", "sigmoid", "linear"))
    assert np.allclose(one.differences(numbers, expected), [[0.1, 0.1], [0.4, 0.4]])
    assert np.allclose(values.differences(10 * numbers, 10 * expected), [[1 / 6, 1 / 4], [4 / 6, 1]])
    assert one.agreement(numbers, expected) == 0.5 and values.agreement(numbers, expected) is None
    assert several.agreement(numbers, expected) == 0.5  # one label right, one missed, one too many
    assert one.accuracy(numbers, np.array([0, 0])) == 0.5
    assert one.accuracy(numbers, np.array([[1, 0], [1, 0]])) == 0.5
    assert several.accuracy(numbers, np.array([[1, 1], [0, 1]])) == 0.75
    assert values.accuracy(numbers, expected) is None


@pytest.mark.parametrize("format", ["litert_float16", "litert_int8"])
@pytest.mark.parametrize("case", ["labels", "classes", "value", "one value of two"])
def test_a_file_that_answers_nothing_is_never_within_its_tolerance(format, case, report):
    """However many classes there are, and however small the numbers."""
    rng = np.random.default_rng(0)
    if case == "labels":
        expected, activation = np.where(rng.uniform(size=(60, 80)) < 2 / 80, 0.9, 0.02), "sigmoid"
        found = np.zeros_like(expected)
    elif case == "classes":
        expected, activation = np.eye(100)[rng.integers(0, 100, 60)], "softmax"
        found = 0.01 + 0.01 * expected
    else:
        expected, activation = rng.uniform(size=(60, 2)) * [0.04, 4 if case != "value" else 0.04], "linear"
        found = expected * ([0, 1] if case != "value" else 0)
    task = task_of_activation(activation)
    apart = task.differences(found, expected)
    result = replace(
        report[format],
        images=60,
        largest=float(apart.max()),
        mean=task.mean_difference(apart),
        agreement=task.agreement(found, expected),
    )
    assert not result.passed


def test_a_version_is_found_from_within_its_own_folder(version, monkeypatch):
    monkeypatch.chdir(version)
    assert find_version(".") == version


def test_the_shell_prints_the_table_and_names_the_files(version, pictures, tmp_path):
    asked = ["convert", version, "--to", "litert", "--data", pictures, "--output", tmp_path, "--json"]
    result = CliRunner().invoke(app, [str(argument) for argument in asked])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["passed"] and told["results"][1]["path"] == str(tmp_path / "1_litert" / "model.tflite")
    assert "writing litert ..." in result.stderr and "ms/image" in result.stderr
    again = CliRunner().invoke(app, [str(argument) for argument in asked])
    assert again.exit_code == 2 and "a path that does not exist" in again.stderr


def test_the_shell_tells_a_failure_by_its_exit_code(version, tmp_path, monkeypatch):
    strict = replace(FORMATS.find("litert_float16"), tolerance=Tolerance(0.0, mean=1e-9))
    monkeypatch.setitem(FORMATS._parts, "litert_float16", strict)
    asked = ["convert", version, "--to", "litert_float16", "--output", tmp_path, "--json"]
    result = CliRunner().invoke(app, [str(argument) for argument in asked])
    assert result.exit_code == 1 and "It was not published" in result.stderr
    assert not json.loads(result.stdout.splitlines()[-1])["passed"] and not list(tmp_path.iterdir())
