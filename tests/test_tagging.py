"""A tag a word: from files of CoNLL to spans that an exported version finds in raw strings."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner
from writing import encoder, tokenizer

import keras_transfer as kt
from keras_transfer.cli.session import app
from keras_transfer.data.text.words import NOWHERE, words_of
from keras_transfer.models.copies import copy_model
from keras_transfer.serving.proof.evidence import gather
from keras_transfer.tasks import TASKS

FAMILIES = ["bert", "distil_bert", "roberta", "albert", "gpt2"]
TAGS = ("O", "B-JOB", "B-PER", "I-PER")


def sentences(count: int = 40, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """Returns words and tags of sentences about people of two words, and what they are."""
    rng = np.random.default_rng(seed)
    texts, tags = [], []
    for _ in range(count):
        filler = rng.choice(["a", "the", "film", "was", "not", "of", "it"], rng.integers(0, 5)).tolist()
        person, job = rng.choice(["bob", "eve", "zoe"]), rng.choice(["cook", "judge"])
        texts.append([*filler, person, "xu", "is", "the", job])
        tags.append(["O"] * len(filler) + ["B-PER", "I-PER", "O", "O", "B-JOB"])
    return texts, tags


def data_of(family: str = "bert", **options) -> kt.data.TextData:
    return kt.data.from_tagged_texts(*sentences(), tokenizer=tokenizer(family), batch_size=8, **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_word_is_tagged_at_its_first_token(family):
    data = data_of(family)
    assert data.class_names == TAGS and data.task is TASKS.find("tagging")
    texts = tf.constant(["the film was good", "  the\tfilm\n", "", "zoe " * 99])
    tokens, places = (found.numpy() for found in data.tokenizer.of_words(words_of(texts), 30))
    assert np.array_equal(tokens[:1], data.tokenizer(texts[:1], 30))
    assert data.kind.length > 8 and np.array_equal(tokens[:2, :8], data.kind.decode_batch(texts)[:2, :8])
    alone = [data.tokenizer(tf.constant([text]), 30).numpy()[0] for text in ("the", "the film", "the film was")]
    begin, end = (int(number is not None) for number in (data.tokenizer.start, data.tokenizer.end))
    # a word begins where the text before it ends
    assert places[0, :4].tolist() == [begin, *(int((row >= 0).sum()) - end for row in alone)]
    assert places.shape == (4, 99) and (places[2] == NOWHERE).all() and (places[3, 29:] == NOWHERE).all()
    assert np.array_equal(tokens[1], data.tokenizer(tf.constant(["the film"]), 30)[0])
    for row, words in zip(data.splits["train"].labels[..., 0], data.texts("train"), strict=True):
        assert (row >= 0).sum() == len(words.split())


def test_words_after_the_length_have_no_tag():
    with pytest.warns(kt.DataWarning) as warned:
        data = data_of(length=6)
    assert "have more than 6 tokens" in str(warned[0].message)
    tokens, labels = next(iter(data.train))
    assert labels.shape[1:] == (tokens.shape[1], 1) and tokens.shape[1] <= 8
    served = data.kind.by_part(tf.ones((1, 6, 2)), tf.constant(["the film was not of it"]))
    assert served[1]["words"].shape == (1, 6) and served[0][0, :, 0].numpy().tolist() == [1, 1, 1, 1, 0, 0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    keras.utils.set_random_seed(0)
    data = data_of()
    model = kt.build_model(encoder("bert"), data.num_classes, pooling=None)
    history = kt.fine_tune(model, data, schedule="solve", verbose=0)
    return model, data, history, kt.export(model, tmp_path_factory.mktemp("tags"), data=data)


def test_a_solved_head_tags_words_and_its_report_counts_spans(trained):
    model, data, history, _ = trained
    report = kt.evaluate(model, data.validation)
    assert isinstance(report, kt.TagReport) and report.images == len(data.splits["validation"])
    assert report.metrics["accuracy"] > 0.9 and report.metrics["span_f1"] > 0.9
    assert history.history["val_accuracy"][-1] == pytest.approx(report.metrics["accuracy"], abs=1e-6)
    assert history.history["val_loss"][-1] == pytest.approx(report.metrics["loss"], abs=1e-4)
    assert set(report.spans) == {"PER", "JOB"} and report.spans["PER"]["support"] == report.images
    assert report.counts == data.counts["validation"] and "PER" in str(report) and report.to_dict()["spans"]
    with pytest.warns(kt.DataWarning, match="8 images"):
        assert kt.calibrate(copy_model(model), data).after.metrics["accuracy"] == report.metrics["accuracy"]


def test_spans_are_right_as_a_whole_alone():
    outputs = np.eye(4, dtype="float32")[[[2, 3, 0, 1], [2, 0, 0, 0]]]
    labels = np.array([[2, 3, 0, 1], [2, 3, -1, -1]])[..., None]
    report = TASKS.find("tagging").report(outputs, labels, TAGS)
    assert report.metrics["span_recall"] == pytest.approx(2 / 3) and report.metrics["accuracy"] == pytest.approx(5 / 6)
    assert report.spans["PER"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2.0}
    plain = TASKS.find("tagging").report(outputs, labels, ("A", "B", "C", "D"))
    assert "span_f1" not in plain.metrics and not plain.spans


def test_an_export_tags_the_words_of_raw_strings(trained):
    model, data, _, version = trained
    served = kt.load(version)
    one, odd, empty, long = served.tag(["  bob xu is the\ncook ", b"\xff zoe \xf0\x9f\x98\x80 xu", "", "the " * 500])
    assert one.words == ("bob", "xu", "is", "the", "cook") and one.tags == ("B-PER", "I-PER", "O", "O", "B-JOB")
    assert one.spans == (("PER", 0, 2), ("JOB", 4, 5)) and str(one) == "bob/B-PER xu/I-PER is the cook/B-JOB"
    assert odd.words[1] == "zoe" and empty.words == () and len(long.words) == 500 and long.tags[-1] == ""
    # the tokens of the data give the probabilities of the model in memory
    tokens = np.concatenate([tokens for tokens, _ in data.in_order("validation")])
    given = served.predict_probabilities(tokens)
    assert np.allclose(given[tokens >= 0], model.predict(tokens, verbose=0)[tokens >= 0], atol=1e-5)
    assert not given[tokens < 0].any() and kt.verify(version).passed
    with pytest.raises(kt.InputError, match="use `tag`"):
        served.predict(["bob"])
    said = CliRunner().invoke(app, ["predict", str(version), "eve xu is the judge", "--json"])
    assert json.loads(said.stdout.splitlines()[-1])["predictions"][0]["tags"][:2] == ["B-PER", "I-PER"]
    assert "one tag for each word of a text" in (version / "model_card.md").read_text()


def test_cached_equals_uncached_and_a_file_has_the_loss(tmp_path):
    trained = []
    for cache in (kt.Cache("memory"), False):
        keras.utils.set_random_seed(0)
        model, data = kt.build_model(encoder("bert"), 4, pooling=None), data_of()
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        kt.fine_tune(model, data, schedule=(kt.Phase(2, ("block2", "head"), 1e-3),), cache=cache, verbose=0)
        trained.append(model)
    for cached, plain in zip(*(model.get_weights() for model in trained), strict=True):
        assert np.allclose(cached, plain, atol=5e-5)
    model.save(tmp_path / "model.keras")
    reloaded = kt.load_model(tmp_path / "model.keras")
    tokens, labels = next(iter(data.in_order("validation")))
    loss = reloaded.evaluate(tokens, labels, verbose=0)
    assert loss == pytest.approx(TASKS.find("tagging").log_loss(np.log(model(tokens)), labels.numpy()), abs=1e-4)


def test_the_default_recipe_tags(tmp_path):
    keras.utils.set_random_seed(0)
    data = kt.data.from_tagged_texts(*sentences(120), tokenizer=tokenizer("bert"), batch_size=16, groups=range(120))
    model = kt.build_model(encoder("bert"), 4, pooling=None)
    kt.fine_tune(model, data, recipe="default", resume_dir=tmp_path, verbose=0)
    assert kt.evaluate(model, data.validation).metrics["span_f1"] > 0.95
    moved = data.with_classes(["x", *reversed(TAGS)])
    assert moved.counts["train"]["B-PER"] == data.counts["train"]["B-PER"] and moved.counts["train"]["x"] == 0


def test_files_of_conll(tmp_path):
    lines = ["-DOCSTART- -X- O O", ""]
    for index, (words, tags) in enumerate(zip(*sentences(12), strict=True)):
        lines += [f"{word} NN {tag}" for word, tag in zip(words, tags, strict=True)] + [""]
        lines += ["-DOCSTART- -X- O O", ""] if index % 3 == 2 else []
    (tmp_path / "train.txt").write_text("\n".join(lines))
    odd = "# id = 1\neve\tNNP\tB-PER\r\nxu\tNNP\tI-PER\n\n# newpar\nthe\tDT\tO\na\u00a0b\u2028c DT O\n"
    (tmp_path / "eng.testa").write_bytes(odd.encode())
    (tmp_path / "notes.md").write_text("not one of them")
    with pytest.warns(kt.DataWarning, match=re.escape("The validation split has no word of ['B-JOB']")):
        data = kt.data.from_conll(tmp_path, tokenizer=tokenizer("bert"))
    assert (
        data.class_names == TAGS
        and data.texts("validation") == ["eve xu", "the a_b_c"]
        and len(data.texts("train")) == 12
    )
    assert len(set(data.splits["train"].groups.tolist())) == 4
    held = kt.data.from_conll({"train": tmp_path / "train.txt"}, tokenizer=tokenizer("bert"), length=40)
    groups = [set(held.splits[split].groups.tolist()) for split in ("train", "validation")]
    assert held.class_names == TAGS and not groups[0] & groups[1]
    with pytest.raises(kt.DataError, match="2 or more classes"):
        kt.data.from_conll(tmp_path / "train.txt", tokenizer=tokenizer("bert"), tag_column=1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("bob\n", "line 1 of 'train.txt'"),
        ("bob O\nxu\n", "Received: 'xu' in line 2"),
        ("\n\n", "Received: none in 'train.txt'"),
        ("bob O\n\neve O\n", "2 or more classes"),
        ("bob\tO\t\n", "'bob\\tO\\t' in line 1"),
    ],
)
def test_files_that_are_no_conll_are_named(tmp_path, content, said):
    (tmp_path / "train.txt").write_text(content)
    with pytest.raises(kt.KerasTransferError, match=re.escape(said)):
        kt.data.from_conll(tmp_path, tokenizer=tokenizer("bert"))


@pytest.mark.parametrize(
    ("texts", "tags", "options", "said"),
    [
        ([["a", "b"]], [["O"]], {}, "2 words and 1 tags in text 0"),
        ([["a b"]], [["O"]], {}, "words without blanks. Received: 'a b'"),
        ([["a", ""]], [["O", "O"]], {}, "words without blanks. Received: ''"),
        (["a b"], [["O", "O"]], {}, "write text.split()"),
        ([["a\0b"]], [["O"]], {}, "words without blanks"),
        ([["a", 3]], [["O", "O"]], {}, "Expected strings. Received: 3"),
        ([["a"]], [["O"], ["O"]], {}, "tags for each of 1 texts"),
        ([["a"], ["b"]], [["O"], ["X"]], {"class_names": ["O", "Y"]}, "Received also: ['X']"),
        ([["a"], ["b"]], [["O"], ["X"]], {"groups": [1]}, "a group for each of 2"),
    ],
)
def test_what_cannot_be_tagged_is_named(texts, tags, options, said):
    with pytest.raises(kt.DataError, match=re.escape(said)):
        kt.data.from_tagged_texts(texts, tags, tokenizer=tokenizer("bert"), **options)


def test_what_does_not_fit_tags_is_refused(trained, tmp_path):
    model, data, _, version = trained
    vector = kt.build_model(encoder("bert"), 4)
    with pytest.raises(kt.InputError, match="built with pooling=None for one tag a word"):
        kt.fine_tune(vector, data, schedule="solve", verbose=0)
    with pytest.raises(kt.InputError, match="pooling=None with an encoder of texts"):
        kt.build_model("MobileNet", 2, weights=None, image_size=32, pooling=None)
    for options in ({"top_k": 2}, {"coverage": 0.9}):
        with pytest.raises(kt.InputError, match="one tag a word"):
            kt.export(model, tmp_path, data=data, **options)
    with pytest.raises(kt.InputError, match="one answer a file"):
        kt.predict_folder(version, tmp_path, tmp_path / "rows.csv", verbose=0)
    with pytest.raises(kt.InputError, match="one answer an example"):
        kt.export_many({"a": model, "b": model}, tmp_path, data={"a": data, "b": data})
    with pytest.raises(kt.InputError, match="one class"):
        data.balanced()
    assert kt.data.check(data).counts and data.show() and "4 tags" in repr(data)
    assert len(gather([b"bob xu"], data.kind, model)) == 1
