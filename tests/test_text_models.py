"""Encoders of KerasHub: the same road as for images, from stages to a verified export of raw strings."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import toy_backbone
from keras_hub import models
from typer.testing import CliRunner
from writing import encoder, reviews, tokenizer

import keras_transfer as kt
from keras_transfer.cli.session import app
from keras_transfer.models.copies import copy_model

FAMILIES = ["bert", "distil_bert", "roberta", "albert", "gpt2"]
POOLINGS = kt.available("token pooling")


def made(family: str) -> tuple[keras.Model, kt.data.TextData]:
    data = kt.data.from_texts(*reviews(), tokenizer=tokenizer(family), batch_size=8)
    return kt.build_model(encoder(family), 2), data


@pytest.fixture(params=FAMILIES, scope="module")
def family(request):
    return request.param


def test_an_encoder_keeps_its_contract(family, tmp_path):
    model, data = made(family)
    tokens = next(iter(data.validation))[0]
    assert kt.stages(model)[0] == "embeddings" and len(kt.stages(model)) == (2 if family == "albert" else 3)
    network = encoder(family)
    real = (tokens.numpy() >= 0).astype("int32")
    given = {"token_ids": np.maximum(tokens, 0), "padding_mask": real, "segment_ids": np.zeros_like(real)}
    vectors = network({name: given[name] for name in network.input})
    vectors = vectors["sequence_output"] if isinstance(vectors, dict) else vectors
    expected = (vectors.numpy() * real[..., None]).sum(axis=1) / real.sum(axis=1, keepdims=True)
    features = keras.Model(model.input, model.get_layer("features").output)
    assert np.allclose(features(tokens), expected, atol=1e-6)
    # padding changes nothing
    row = tokens.numpy()[:1][:, : real[0].sum()]
    assert np.allclose(model(row), model(tokens)[:1], atol=1e-6)
    # splits are exact
    for cut in (*kt.stages(model), "features"):
        prefix, suffix = kt.split(model, cut)
        assert np.allclose(suffix(prefix(tokens, training=False), training=False), model(tokens), atol=1e-6)
    # frozen means still, dropout of attention too
    kt.set_trainable(model, "head")
    assert np.array_equal(model(tokens, training=True), model(tokens, training=True))
    before = [weight.numpy() for layer in model.layers[:-3] for weight in layer.weights]
    kt.fine_tune(model, data, schedule=(kt.Phase(1, "head", 1e-2),), cache=False, verbose=0)
    after = [weight.numpy() for layer in model.layers[:-3] for weight in layer.weights]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    # it is reloaded, with what is frozen and the optimizer's state
    model.save(tmp_path / "model.keras")
    reloaded = kt.load_model(tmp_path / "model.keras")
    assert np.allclose(reloaded(tokens), model(tokens), atol=1e-6) and kt.stages(reloaded) == kt.stages(model)
    assert len(reloaded.trainable_variables) == 2 and reloaded.optimizer.iterations == model.optimizer.iterations


def test_cached_equals_uncached(family, tmp_path):
    trained = []
    last = "blocks" if family == "albert" else "block2"
    for cache in (kt.Cache("disk", folder=tmp_path), False):
        model, data = made(family)
        phases = (kt.Phase(2, "head", 1e-2), kt.Phase(1, (last, "head"), 1e-3))
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        kt.fine_tune(model, replace(data), schedule=phases, cache=cache, verbose=0)
        trained.append(model.get_weights())
    for cached, plain in zip(*trained, strict=True):
        assert np.allclose(cached, plain, atol=5e-5)


def exported(family: str, folder: Path) -> tuple[keras.Model, kt.data.TextData, Path]:
    model, data = made(family)
    kt.fine_tune(model, data, schedule="solve", verbose=0)
    return model, data, kt.export(model, folder, data=data, top_k=2)


def check_answers(model: keras.Model, data: kt.data.TextData, version: Path) -> None:
    """The version, verified already, answers as the model from raw strings of any content."""
    served = kt.load(version)
    tokens = np.concatenate([tokens for tokens, _ in data.in_order("validation")])
    texts = data.texts("validation")
    expected = model.predict(tokens, verbose=0)
    for given in (texts, [text.encode() for text in texts], tokens):
        assert np.allclose(served.predict_probabilities(given), expected, atol=1e-5)
    assert served.features(texts).shape == (len(texts), 16)
    odd = ["", "\U0001f600 e\u0301", "\u05e9\u05dc\u05d5\u05dd", "a\0b", b"\xff\xfe", "good " * 5000]
    assert all(sum(each.probabilities.values()) == pytest.approx(1, abs=1e-5) for each in served.predict(odd))


def test_an_export_answers_from_raw_strings(family, tmp_path):
    check_answers(*exported(family, tmp_path / "exported"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return exported("bert", tmp_path_factory.mktemp("exported"))


def test_an_export_of_texts_answers_and_says_what_it_takes(bert, tmp_path):
    check_answers(*bert)
    version = bert[2]
    description = json.loads((version / "keras_transfer.json").read_text())
    assert description["kind"] == "text" and description["vocabulary_size"] == tokenizer("bert").vocabulary_size()
    card = (version / "model_card.md").read_text()
    assert "tokens of a text" in card and "one class a text" in card
    assert kt.verify(version).passed
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text("the film was good")
    (tmp_path / "texts" / "two.txt").write_bytes(b"good \xff")
    table = kt.predict_folder(version, tmp_path / "texts", tmp_path / "rows.csv", verbose=0).read_text()
    assert all(f"{name}.txt,good" in table or f"{name}.txt,bad" in table for name in ("one", "two"))


@pytest.mark.parametrize("format", ["onnx", "openvino", "litert"])
def test_other_runtimes_take_tokens(bert, tmp_path, format):
    file = kt.convert(bert[2], format, data=bert[1], path=tmp_path)
    told = json.loads((file.parent / "model.json").read_text())["input"]
    assert (told["name"], told["dtype"], told["shape"], told["padding"]) == ("tokens", "int32", [None, 12], -1)
    assert (file.parent / "tokenizer" / "tokenizer.json").is_file()


def test_the_shell_answers_texts_and_files_of_them(bert, tmp_path):
    (tmp_path / "one.txt").write_text("the film was good")
    said = CliRunner().invoke(app, ["predict", str(bert[2]), "the film was bad", str(tmp_path / "one.txt"), "--json"])
    found = json.loads(said.stdout.splitlines()[-1])["predictions"]
    assert said.exit_code == 0 and found[0]["file"] == "the film was bad" and len(found) == 2


def test_several_tasks_on_one_encoder_take_texts(tmp_path):
    from keras_transfer.server.servable import Servable

    network, data = encoder("bert"), made("bert")[1]
    models = {name: kt.build_model(network, 2) for name in ("mood", "other")}
    version = kt.export_many(models, tmp_path, data=dict.fromkeys(models, data))
    tokens = np.concatenate([tokens for tokens, _ in data.in_order("validation")])
    texts, answer = data.texts("validation"), kt.load_many(version).predict
    for name, model in models.items():
        found = [each.probabilities["good"] for each in answer(texts)[name]]
        assert np.allclose(found, model.predict(tokens, verbose=0)[:, 1], atol=1e-5)
    served = Servable(version, 1).signature("serving_default").run({"text": np.array(texts, object)})
    assert served["mood_probabilities"].shape == (len(texts), 2)


def test_a_server_answers_texts(bert):
    from keras_transfer.server.servable import Servable

    signature = Servable(bert[2], 1).signature("serving_default")
    answer = signature.run({"text": np.array(["the film was good", ""], object)})
    assert answer["probabilities"].shape == (2, 2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_never_changes_what_is_pooled(pooling):
    model = kt.build_model(encoder("bert"), 2, pooling=pooling)
    features = keras.Model(model.input, model.get_layer("features").output)
    short = np.array([[2, 7, 12, 3]], "int32")
    long = np.pad(short, ((0, 0), (0, 9)), constant_values=-1)
    assert np.allclose(features(short), features(long), atol=1e-6)
    beside = np.concatenate([long, np.full((1, 13), 5, "int32")])
    assert np.allclose(features(beside)[:1], features(short), atol=1e-6)


def test_every_stage_is_pooled_without_padding():
    model = kt.build_model(encoder("bert"), 2, head="multilayer")
    features = keras.Model(model.input, model.get_layer("features").output)
    short = np.array([[2, 7, 12, 3]], "int32")
    assert np.allclose(features(short), features(np.pad(short, ((0, 0), (0, 9)), constant_values=-1)), atol=1e-6)


def test_a_network_of_images_of_keras_hub(tmp_path):
    keras.utils.set_random_seed(0)
    network = models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, dropout_rate=0.1
    )
    part = kt.Backbone(network, lambda images: images / 127.5 - 1)
    model = kt.build_model(part, 2, image_size=40)
    images = np.random.default_rng(0).uniform(0, 255, (3, 40, 40, 3)).astype("float32")
    small = keras.layers.Resizing(32, 32)(images)
    features = keras.Model(model.input, model.get_layer("features").output)
    assert kt.stages(model) == ("embeddings", "block1", "block2") and model.input.name == "images"
    assert np.allclose(features(images), np.mean(network(small / 127.5 - 1), axis=1), atol=1e-5)
    for cut in (*kt.stages(model), "features"):
        prefix, suffix = kt.split(model, cut)
        assert np.allclose(suffix(prefix(images, training=False), training=False), model(images), atol=1e-6)
    kt.set_trainable(model, "head")
    assert np.array_equal(model(images, training=True), model(images, training=True))
    model.save(tmp_path / "model.keras")
    assert np.allclose(keras.models.load_model(tmp_path / "model.keras")(images), model(images), atol=1e-6)
    version = kt.export(model, tmp_path / "exported")
    assert kt.load(version).predict_probabilities(images).shape == (3, 2)


def test_what_does_not_fit_is_told(tmp_path):
    model, data = made("bert")
    of_images = kt.build_model(toy_backbone(), 2, image_size=32)
    other = kt.data.from_texts(*reviews(), tokenizer=tokenizer("roberta"))
    for wrong, said in (
        (other, "tokenizer that the network"),
        (kt.data.from_texts(*reviews(), tokenizer=tokenizer("bert"), length=100), "64 tokens at most"),
    ):
        with pytest.raises(kt.InputError, match=said):
            kt.fine_tune(model, wrong, epochs=1, verbose=0)
    with pytest.raises(kt.InputError, match="model of texts"):
        kt.fine_tune(of_images, data, epochs=1, verbose=0)
    with pytest.raises(kt.InputError, match="whose tokenizer the version then has"):
        kt.export(model, tmp_path)
    with pytest.raises(kt.InputError, match="no `image_size`"):
        kt.build_model(encoder("bert"), 2, image_size=32)
    with pytest.raises(kt.InputError, match="encodes text"):
        kt.build_model(models.BartBackbone(50, 1, 2, 8, 16), 2)
    with pytest.raises(kt.InputError, match="Unknown"):
        kt.build_model(encoder("bert"), 2, pooling="gem")


def test_a_preset_is_a_folder_too(tmp_path):
    network = encoder("bert")
    network.save_to_preset(tmp_path / "preset")
    tokenizer("bert").save_to_preset(tmp_path / "preset")
    data = kt.data.from_texts(*reviews(), tokenizer=tmp_path / "preset", batch_size=8)
    model, random = kt.build_model(tmp_path / "preset", 2), kt.build_model(tmp_path / "preset", 2, weights=None)
    tokens = next(iter(data.validation))[0]
    features = [keras.Model(each.input, each.get_layer("features").output)(tokens) for each in (model, random)]
    own = kt.build_model(network, 2)
    assert np.allclose(features[0], keras.Model(own.input, own.get_layer("features").output)(tokens), atol=1e-6)
    assert not np.allclose(features[1], features[0], atol=1e-3)


@pytest.mark.parametrize("tuning", ["lora", "adapter", "bias_and_norm", "scale_shift"])
def test_tunings_take_texts(tuning, tmp_path):
    model, data = made("bert")
    tuned = kt.tuned(model, tuning)
    tokens = next(iter(data.validation))[0]
    assert np.allclose(tuned(tokens), model(tokens), atol=1e-6)
    kt.fine_tune(tuned, data, schedule=(kt.Phase(1, "all", 1e-2),), verbose=0)
    assert not np.allclose(tuned(tokens), model(tokens), atol=1e-4)
    assert np.allclose(kt.fold(tuned)(tokens), tuned(tokens), atol=1e-5)
    if tuning == "lora":  # the queries of a block are reached, and nothing else of it
        opened = tuned.get_layer("transformer_layer_0").trainable_variables
        assert {variable.path.split("/")[-1] for variable in opened} == {"lora_kernel_a", "lora_kernel_b"}
        assert np.allclose(copy_model(tuned)(tokens), tuned(tokens), atol=1e-6)
        tuned.save(tmp_path / "tuned.keras")
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # the optimizer begins anew
            reloaded = kt.load_model(tmp_path / "tuned.keras")
        assert np.allclose(reloaded(tokens), tuned(tokens), atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*(are in the source too|negative transfer)")
def test_adaptation_takes_texts():
    model, data = made("bert")
    target = kt.data.from_texts(*reviews(seed=7), tokenizer=tokenizer("bert"), batch_size=8)
    kt.adapt(model, data, target, method="coral", schedule="feature_extraction", epochs=1, verbose=0)


def test_the_recipe_of_ulmfit_opens_block_by_block(capsys):
    model, data = made("bert")
    history = kt.fine_tune(model, data, recipe="ulmfit", verbose=2)
    said = capsys.readouterr().out
    assert "ULMFiT" in said and [phase.unfrozen for phase in history.phases] == ["head", 1, 2, 3]
    rates = {phase.layer_decay for phase in history.phases[1:]}
    assert rates == {1 / 2.6}
