"""Models of sounds: the same road as for images, from frozen features to a verified export."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone
from recording import KINDS, sound, wav, write_sounds

import keras_transfer as kt

OF_SOUNDS = {"of images": False, "of sounds in patches": True}


def network_of_sounds() -> kt.Backbone:
    """A network that takes patches of 0.2 seconds, of which a sound of 0.5 seconds has three."""
    patches = keras.Input((20, 16, 1))
    early = keras.layers.Conv2D(8, 3, activation="relu", name="early")(patches)
    late = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization(name="late")(keras.layers.Conv2D(8, 3)(early)))
    stages = (("early", "early"), ("late", ""))
    heard = kt.LogMel(8000, 0.5, bands=16, lowest=60, patch=0.2)
    return kt.Backbone(keras.Model(patches, late), stages=stages, sound=heard)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds"), per_class=8)


@pytest.fixture(scope="module")
def data(sounds):
    return kt.data.from_audio_directory(sounds, batch_size=8, validation_split=0.25)


def built(of_sounds: bool, data: kt.data.SoundData) -> keras.Model:
    keras.utils.set_random_seed(0)
    part = network_of_sounds() if of_sounds else toy_backbone()
    return kt.build_model(part, 3, image_size=32, sound=data)


@pytest.fixture(params=OF_SOUNDS.values(), ids=OF_SOUNDS)
def model(request, data):
    return built(request.param, data)


def test_it_takes_waveforms_and_has_stages(model):
    assert model.input_shape == (None, 4000) and model.input.name == "waveforms" and model.output_shape == (None, 3)
    assert kt.stages(model)[0] == "early" and len(model.get_layer("features").output.shape) == 2


def test_a_split_is_exact_at_every_stage_and_what_is_frozen_is_still(model, data):
    waveforms = next(iter(data.validation))[0]
    whole = model(waveforms, training=False)
    kt.set_trainable(model, "head")
    assert np.array_equal(model(waveforms, training=True), model(waveforms, training=True))
    for cut in (*kt.stages(model), "features"):
        prefix, suffix = kt.split(model, cut)
        between = prefix(waveforms, training=False)
        assert between.shape[0] == len(waveforms)
        assert np.allclose(suffix(between, training=False), whole, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The keyword argument")
def test_an_encoder_of_keras_hub_hears_as_its_own_converter(data, tmp_path):
    keras.utils.set_random_seed(0)
    network = keras_hub.models.WhisperBackbone(50, 2, 2, 16, 32, max_encoder_sequence_length=200)
    sounds = kt.data.from_audio_directory(data.root, sample_rate=16_000, batch_size=8)
    model = kt.build_model(network, 3, sound=sounds)
    assert kt.stages(model) == ("embeddings", "block1", "block2") and model.input_shape == (None, 8000)
    waveforms = next(iter(sounds.validation))[0]
    spectrogram = keras_hub.layers.WhisperAudioConverter(max_audio_length=0.5)
    spectrogram.num_samples = 8000
    heard = tf.function(spectrogram)(waveforms)
    own = keras.Model(network.input["encoder_features"], network.output["encoder_sequence_output"])
    features = keras.Model(model.input, model.get_layer("features").output)
    np.testing.assert_allclose(features(waveforms), np.mean(own(heard), axis=1), atol=1e-4)
    for cut in (*kt.stages(model), "features"):
        prefix, suffix = kt.split(model, cut)
        assert np.allclose(suffix(prefix(waveforms, training=False), training=False), model(waveforms), atol=1e-5)
    kt.set_trainable(model, "head")
    assert np.array_equal(model(waveforms, training=True), model(waveforms, training=True))
    model.save(tmp_path / "model.keras")
    assert np.allclose(keras.models.load_model(tmp_path / "model.keras")(waveforms), model(waveforms), atol=1e-5)
    served = kt.load(kt.export(model, tmp_path / "exported", data=sounds))
    files = sorted(data.root.rglob("*.wav"))[:4]
    tensors = np.stack([sounds.kind.decode(path.read_bytes()) for path in files])
    assert np.allclose(served.predict_probabilities(files), model(tensors), atol=1e-5)


def test_patches_are_pooled_as_if_each_were_heard_alone(data):
    part = network_of_sounds()
    model = kt.build_model(part, 3, sound=data)
    waveforms = next(iter(data.validation))[0]
    found = keras.Model(model.input, model.get_layer("features").output)(waveforms)
    inputs = keras.Input((4000,))
    patches = keras.Model(inputs, kt.LogMel(8000, 0.5, bands=16, lowest=60, patch=0.2).numbers(inputs))(waveforms)
    alone = np.mean(part.network(patches, training=False), axis=(1, 2)).reshape(len(waveforms), 3, -1).mean(axis=1)
    assert np.allclose(found, alone, atol=1e-5)


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize("of_sounds", OF_SOUNDS.values(), ids=OF_SOUNDS)
def test_cached_equals_uncached(of_sounds, data, tmp_path, where):
    trained = []
    for cache in (kt.Cache(where, folder=tmp_path), False):
        model = built(of_sounds, data)
        phases = (kt.Phase(2, "head", 1e-2), kt.Phase(2, "late", 1e-3))
        kt.fine_tune(model, replace(data), schedule=phases, cache=cache, verbose=0)  # epochs are counted by data
        trained.append(model.get_weights())
    for cached, plain in zip(*trained, strict=True):
        assert np.allclose(cached, plain, atol=2e-5)


@pytest.mark.parametrize("of_sounds", OF_SOUNDS.values(), ids=OF_SOUNDS)
def test_keras_alone_reloads_it(of_sounds, data, tmp_path):
    model = built(of_sounds, data)
    model.save(tmp_path / "model.keras")
    waveforms = next(iter(data.validation))[0]
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.allclose(reloaded(waveforms), model(waveforms), atol=1e-6) and kt.stages(reloaded) == kt.stages(model)


@pytest.fixture(scope="module")
def exported(data, tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = kt.build_model(network_of_sounds(), 3, sound=data)
    kt.fine_tune(model, data, schedule="solve", verbose=0)
    return model, kt.export(model, tmp_path_factory.mktemp("exported"), data=data, top_k=2)


def test_an_export_answers_as_the_model_from_the_bytes_of_files(exported, data, sounds):
    model, version = exported
    served = kt.load(version)
    files = sorted(sounds.rglob("*.wav"))
    waveforms = np.stack([data.kind.decode(path.read_bytes()) for path in files])
    expected = model.predict(waveforms, verbose=0)
    assert np.allclose(served.predict_probabilities(files), expected, atol=1e-5)
    assert np.allclose(served.predict_probabilities([path.read_bytes() for path in files]), expected, atol=1e-5)
    assert np.allclose(served.predict_probabilities(waveforms), expected, atol=1e-5)
    assert {prediction.class_name for prediction in served.predict(files)} <= set(KINDS)
    assert served.features(files).shape == (len(files), 8)


def test_an_export_says_what_it_takes_and_is_verified_again(exported, sounds):
    _, version = exported
    description = json.loads((version / "keras_transfer.json").read_text())
    assert (description["kind"], description["sample_rate"], description["seconds"]) == ("sound", 8000, 0.5)
    result = kt.verify(version, data=sounds)
    assert result.passed and {each.signature for each in result.differences} >= {"decode_audio", "predict_waveforms"}
    card = (version / "model_card.md").read_text()
    assert "0.5 seconds at 8,000 samples a second" in card and "nothing above 4,000 hertz" in card


@pytest.mark.parametrize(
    ("rate", "width", "channels", "seconds"),
    [(8000, 1, 1, 0.5), (44100, 3, 2, 0.7), (96000, 2, 1, 2.0), (8000, 2, 1, 60.0), (16000, 4, 1, 0.01)],
)
def test_sounds_of_any_form_are_answered(exported, rate, width, channels, seconds):
    samples = np.repeat(sound("tone", 3, rate, seconds)[:, np.newaxis], channels, axis=1)
    (prediction,) = kt.load(exported[1]).predict([wav(samples, rate, width)])
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"RIFF\0\0\0\0WAVE", wav(np.zeros(100), 8000)[:100]],
    ids=["empty", "text", "no chunks", "cut off"],
)
def test_what_is_no_sound_is_named(exported, content):
    with pytest.raises(kt.InputError, match=rf"{len(content)} bytes"):
        kt.load(exported[1]).predict([content])


def test_a_folder_is_answered_file_by_file(exported, sounds, tmp_path):
    (sounds / "tone" / "text.wav").write_text("no sound")
    try:
        rows = kt.predict_folder(exported[1], sounds, tmp_path / "rows.csv", verbose=0).read_text().splitlines()
    finally:
        (sounds / "tone" / "text.wav").unlink()
    assert len(rows) == 26 and sum("holds no WAV sound" in row for row in rows) == 1


def test_a_server_answers_and_names_what_is_no_sound(exported, sounds):
    from keras_transfer.server.faults import Fault
    from keras_transfer.server.servable import Servable

    signature = Servable(exported[1], 1).signature("serving_default")
    content = (sounds / "tone" / "0.wav").read_bytes()
    assert signature.run({"audio_bytes": np.array([content], object)})["probabilities"].shape == (1, 3)
    with pytest.raises(Fault, match=r"audio_bytes\[1\] is not a WAV file"):
        signature.run({"audio_bytes": np.array([content, b"hello"], object)})


def test_what_is_for_images_alone_says_so(exported, data, tmp_path):
    model, version = exported
    served = kt.load(version)
    with pytest.raises(kt.InputError, match="takes sounds"):
        _ = served.image_size
    with pytest.raises(kt.InputError, match="explain"):
        served.heat_maps([b""])
    with pytest.raises(kt.InputError, match="no `views` of sounds"):
        kt.export(model, tmp_path, data=data, views="flip")
    with pytest.raises(kt.VerificationError, match="can be converted to 'onnx'"):  # it has no such transform
        kt.convert(version, "onnx", path=tmp_path)
    assert json.loads((kt.convert(version, "openvino", path=tmp_path).parent / "model.json").read_text())["input"] == {
        "name": "waveforms",
        "dtype": "float32",
        "shape": [None, 4000],
        "sample_rate": 8000,
        "seconds": 0.5,
    }


def test_data_of_another_form_is_refused(sounds, data, files, toy):
    model = kt.build_model(toy_backbone(), 3, image_size=32, sound=data)
    longer = kt.data.from_audio_directory(sounds, seconds=1.0)
    faster = kt.data.from_audio_directory(sounds, seconds=0.25, sample_rate=16000)
    for wrong, said in ((longer, "4000 samples"), (faster, "8,000 samples a second"), (files, "model of images")):
        with pytest.raises(kt.InputError, match=said):
            kt.fine_tune(model, wrong, epochs=1, verbose=0)
    with pytest.raises(kt.InputError, match="model of sounds"):
        kt.fine_tune(toy, data, epochs=1, verbose=0)
    with pytest.raises(kt.InputError, match="data of sounds"):
        kt.export(toy, "unused", data=data)
    with pytest.raises(kt.InputError, match="as the network was trained to hear"):
        kt.build_model(network_of_sounds(), 3, sound=faster)


def test_adaptation_and_tunings_take_sounds(data, tmp_path):
    model = kt.build_model(toy_backbone(), 3, image_size=32, sound=data)
    target = kt.data.from_audio_directory(write_sounds(tmp_path, 9), batch_size=8)
    kt.adapt(model, data, target, method="coral", schedule="feature_extraction", epochs=1, verbose=0)
    tuned = kt.tuned(model, "bias_and_norm")
    kt.fine_tune(tuned, data, schedule=(kt.Phase(1, "all", 1e-3),), verbose=0)
    assert kt.evaluate(tuned, data.validation).images == sum(len(labels) for _, labels in data.validation)
