"""export and load: the served model answers with the numbers of the model in memory, wherever it is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow, toy_backbone
from drawing import scene
from PIL import Image

import keras_transfer as kt
from keras_transfer.data.pixels.images import decode
from keras_transfer.serving.versions import versions

ELSEWHERE = """
import json, sys
sys.modules["keras_transfer"] = None  # as if it were not installed
import numpy as np, tensorflow as tf
folder, *files = json.load(sys.stdin)
module = tf.saved_model.load(folder)
answer = module.signatures["serving_default"](
    image_bytes=tf.constant([open(file, "rb").read() for file in files]))
images = tf.stack([tf.zeros((32, 32, 3), tf.uint8)])
as_floats = module.signatures["predict_images"](images=tf.cast(images, tf.float32))
as_bytes = module.signatures["predict_images_uint8"](images=images)
print(json.dumps({
    "probabilities": answer["probabilities"].numpy().tolist(),
    "class_names": [name.decode() for name in answer["class_names"].numpy()],
    "class_ids": answer["class_ids"].numpy().tolist(),
    "zeros": [as_floats["probabilities"].numpy().tolist(), as_bytes["probabilities"].numpy().tolist()],
}))
"""


def test_tensorflow_alone_gives_the_same_numbers_from_the_bytes(trained, data, exported):
    model, _ = trained
    files = [str(path) for path in data.splits["validation"].items]
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=json.dumps([str(exported), *files]), text=True, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    expected = model.predict(data.validation, verbose=0)
    assert np.abs(np.array(answer["probabilities"]) - expected).max() <= 1e-5
    assert answer["class_ids"] == expected.argmax(axis=1).tolist()
    assert answer["class_names"] == [data.class_names[index] for index in answer["class_ids"]]
    zeros = model(np.zeros((1, 32, 32, 3), "float32")).numpy()
    for probabilities in answer["zeros"]:
        assert np.abs(np.array(probabilities) - zeros).max() <= 1e-5


@pytest.mark.parametrize("resize", mostly_slow(kt.available("resize")))
def test_serving_sees_the_pixels_that_training_saw(trained, pictures, tmp_path, resize):
    model, _ = trained
    data = kt.data.from_directory(pictures, image_size=32, resize=resize)
    served = kt.load(kt.export(model, tmp_path, data=data))
    expected = model.predict(data.validation, verbose=0)
    actual = served.predict_probabilities(data.splits["validation"].items.tolist())
    assert np.abs(actual - expected).max() <= 1e-5


def test_load_answers_for_files_bytes_and_arrays(trained, data, exported):
    served = kt.load(exported.parent)
    assert served.path == exported and served.class_names == data.class_names
    path = data.splits["validation"].items[0]
    from_file, from_bytes = served.predict([path, Path(path).read_bytes()])
    assert from_file == from_bytes
    assert from_file.class_name == max(from_file.probabilities, key=from_file.probabilities.get)
    assert from_file.probability == max(from_file.probabilities.values())
    images, _ = next(iter(data.validation))
    assert served.predict(images.numpy())[0].probability == pytest.approx(from_file.probability, abs=1e-5)
    assert served.predict([]) == []
    assert str(from_file).startswith(from_file.class_name)


def test_versions_count_up_and_half_written_ones_are_never_seen(trained, data, tmp_path, monkeypatch):
    root = tmp_path / "models"
    assert [kt.export(trained[0], root, data=data, verify=False).name for _ in range(2)] == ["1", "2"]
    (root / "7").mkdir()
    (root / "8").write_text("a file that is in the way")
    assert kt.export(trained[0], root, data=data, verify=False).name == "9"

    def disk_full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_transfer.serving.exporting._write", disk_full)
    with pytest.raises(kt.InputError, match="No space left on device.*Nothing was published"):
        kt.export(trained[0], root, data=data)
    assert versions(root) == [1, 2, 7, 9]
    assert sorted(path.name for path in root.iterdir()) == ["1", "2", "7", "8", "9"], "nothing is left lying about"


def test_the_export_describes_itself(trained, data, exported):
    description = json.loads((exported / "keras_transfer.json").read_text())
    assert description["class_names"] == list(data.class_names)
    assert description["image_size"] == [32, 32] and description["resize"] == "crop"
    assert description["activation"] == "softmax" and description["versions"]["keras"] == keras.__version__


def test_names_may_be_given_one_by_one(tmp_path):
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    assert (
        kt.load(kt.export(model, tmp_path / "a", class_names=["x", "y", "ü"], resize="pad", verify=False)).class_names[
            2
        ]
        == "ü"
    )
    assert kt.load(kt.export(model, tmp_path / "b", verify=False)).class_names == ("0", "1", "2")


def test_wrong_exports_are_refused(trained, data, tmp_path):
    model, _ = trained
    with pytest.raises(kt.InputError, match="3 class names"):
        kt.export(model, tmp_path, class_names=["one"])
    with pytest.raises(kt.InputError, match="Did you mean 'stretch'"):
        kt.export(model, tmp_path, resize="strech")
    with pytest.raises(kt.InputError, match="Received both"):
        kt.export(model, tmp_path, data=data, resize="pad")
    (tmp_path / "file").write_text("")
    with pytest.raises(kt.InputError, match="a folder that can be written to"):
        kt.export(model, tmp_path / "file" / "below", data=data)
    images = keras.Input((None, None, 3))
    with pytest.raises(kt.InputError, match="or a model with a fixed one"):
        kt.export(keras.Model(images, keras.layers.GlobalAveragePooling2D()(images)), tmp_path)


def test_wrong_questions_are_refused(exported, data, tmp_path):
    served = kt.load(exported)
    (tmp_path / "text.jpg").write_text("no picture")
    good = data.splits["validation"].items[0]
    with pytest.raises(kt.InputError, match=r"text\.jpg', 7 bytes, not decodable"):
        served.predict([good, tmp_path / "text.jpg", b"garbage"])
    with pytest.raises(kt.InputError, match="a readable image file"):
        served.predict([tmp_path / "missing.jpg"])
    with pytest.raises(kt.InputError, match="one array for all. Received: ndarray"):
        served.predict([np.zeros((32, 32, 3))])
    with pytest.raises(kt.InputError, match="a list of images"):
        served.predict(good)
    with pytest.raises(kt.InputError, match=r"images \(batch, 32, 32, 3\)"):
        served.predict(np.zeros((2, 16, 16, 3)))
    with pytest.raises(kt.InputError, match="a version or a folder of versions"):
        kt.load(tmp_path)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "keras_transfer.json").write_text("{")
    with pytest.raises(kt.InputError, match="a version written by"):
        kt.load(tmp_path)


def test_bad_bytes_are_an_invalid_argument_in_the_graph(exported):
    function = tf.saved_model.load(str(exported)).signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError):
        function(image_bytes=tf.constant([b"garbage"]))


@pytest.mark.slow
def test_large_photographs_are_served_as_they_are_trained_on(trained, tmp_path):
    """They are decoded at reduced scale in both, and turned upright."""
    model, _ = trained
    for index, name in enumerate(("blue", "green", "red")):
        (tmp_path / name).mkdir()
        for number in range(2):
            exif = Image.Exif()
            exif[0x0112] = 1 + 5 * number
            scene(10 * index + number, side=1200).save(tmp_path / name / f"{number}.jpg", exif=exif)
    large = kt.data.from_directory(tmp_path, image_size=32, validation_split=0.5)
    served = kt.load(kt.export(model, tmp_path / "served", data=large))
    files = list(large.splits["validation"].items)
    assert decode(tf.io.read_file(files[0]), 32).shape[0] <= 200
    in_memory = model.predict(large.validation, verbose=0)
    assert np.abs(served.predict_probabilities(files) - in_memory).max() <= 1e-5
