"""Texts: how they are read, what their tokens are, and what happens to texts that are odd."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from writing import reviews, tokenizer

import keras_transfer as kt
from keras_transfer.data.augment.texts import TEXT_AUGMENTATIONS
from keras_transfer.data.text.tokenizing import TextTokenizer, find_tokenizer

FAMILIES = ["bert", "distil_bert", "roberta", "albert", "gpt2"]
HEBREW, EMOJI = "\u05e9\u05dc\u05d5\u05dd", "\U0001f600 e\u0301"
ODD = ["", "   ", "x" * 100_000, "good " * 100_000, EMOJI, HEBREW, "a\0b", b"\xff\xfe"]


@pytest.fixture(scope="module")
def data():
    return kt.data.from_texts(*reviews(), tokenizer=tokenizer("bert"), batch_size=8)


def test_tokens_are_those_of_the_tokenizer_between_those_of_begin_and_end(data):
    tokens, labels = next(iter(data.validation))
    assert tokens.dtype == tf.int32 and tokens.shape[1] in (8, data.length) and labels.shape == (8,)
    hub = tokenizer("bert")
    pieces = [hub.token_to_id(word) for word in data.texts("validation")[0].split()]
    row = [number for number in tokens[0].numpy() if number >= 0]
    assert row == [hub.cls_token_id, *pieces, hub.sep_token_id]
    assert set(tokens.numpy()[0][len(row) :]) <= {-1}


@pytest.mark.parametrize("family", FAMILIES)
def test_any_string_has_tokens_and_the_same_ones_in_every_batch(family):
    made = TextTokenizer(tokenizer(family))
    whole = made(tf.constant(ODD), 10).numpy()
    assert whole.shape == (len(ODD), 10) and (whole[:, 0] >= 0).all() and (whole < made.vocabulary_size).all()
    for text, row in zip(ODD, whole, strict=True):
        assert np.array_equal(made(tf.constant([text]), 10).numpy()[0], row)
        count = int(np.sum(row >= 0))
        assert (row[:count] >= 0).all()  # nothing is missing in between
    counted = made.lengths(np.array([b"good film", b"good " * 9000], object), 10)
    assert counted[0] == np.sum(made(tf.constant(["good film"]), 30).numpy() >= 0) and counted[1] > 10


def test_a_seed_of_keras_does_not_break_a_tokenizer():
    made = TextTokenizer(tokenizer("albert"))
    before = made(tf.constant(["the film"]), 6)
    keras.utils.set_random_seed(0)  # TensorFlow drops its kernels, and with them a model made outside of a graph
    assert np.array_equal(made(tf.constant(["the film"]), 6), before)


def test_each_text_is_used_once_an_epoch_and_batches_hold_texts_of_one_length(data):
    order = [int(index) for index, _ in data.order().as_numpy_iterator()]
    again = [int(index) for index, _ in data.order().as_numpy_iterator()]
    assert sorted(order) == sorted(again) == list(range(len(data.splits["train"]))) and order != again
    many = kt.data.from_texts(*reviews(640), tokenizer=tokenizer("bert"), batch_size=8)
    spread = [int(np.ptp(np.sum(tokens.numpy() >= 0, axis=1))) for tokens, _ in many.train]
    assert np.mean(spread) < 0.5  # shuffled alone it would be about four
    longest = [int(np.sum(tokens.numpy() >= 0, axis=1).max()) for tokens, _ in many.train]
    assert longest != sorted(longest)


def test_labels_are_those_of_the_texts(data):
    for split, batches in (("train", data.train), ("validation", data.validation)):
        known = dict(zip(data.texts(split), data.splits[split].labels, strict=True))
        hub = tokenizer("bert")
        for tokens, labels in batches:
            for row, label in zip(tokens.numpy(), labels.numpy(), strict=True):
                text = " ".join(hub.id_to_token(number) for number in row[row >= 0][1:-1])
                assert known[text] == label


def test_balanced_texts_and_word_dropout(data):
    text, labels = reviews(40)
    few = kt.data.from_texts(
        text[:3] + text[3::2], labels[:3] + labels[3::2], tokenizer=tokenizer("bert"), batch_size=4
    )
    drawn = np.concatenate([labels.numpy() for _, labels in few.balanced().train])
    assert abs(np.mean(drawn) - 0.5) <= 0.1
    tokens = tf.constant([2, *range(5, 35), 3, -1, -1])
    dropped = TEXT_AUGMENTATIONS.find("word_dropout")(tokens, tf.constant([3, 1], tf.int64)).numpy()
    kept = dropped[dropped >= 0]
    assert dropped.shape == tokens.shape and kept[0] == 2 and kept[-1] == 3 and 20 < len(kept) < 32
    assert list(kept) == sorted(set(kept), key=list(tokens.numpy()).index)
    changed = kt.data.from_texts(text, labels, tokenizer=tokenizer("bert"), augment="word_dropout")
    assert changed.augmented and next(iter(changed.train))[0].dtype == tf.int32
    with pytest.raises(kt.InputError, match="Unknown text augmentation"):
        kt.data.from_texts(text, labels, tokenizer=tokenizer("bert"), augment="flip")


def test_several_labels_values_and_groups():
    texts, names = reviews(24)
    labels = np.stack([np.array(names) == "good", np.arange(24) % 3 == 0], axis=1).astype(int)
    several = kt.data.from_texts(texts, labels, tokenizer=tokenizer("bert"), class_names=["good", "third"])
    assert several.task.name == "several_labels" and next(iter(several.train))[1].shape[1] == 2
    values = kt.data.from_texts(
        texts, np.linspace(0, 1.5, 24), tokenizer=tokenizer("bert"), units=["stars"], class_names=["rating"]
    )
    assert values.class_names == ("rating [stars]",)
    grouped = kt.data.from_texts(texts, names, tokenizer=tokenizer("bert"), groups=[index // 4 for index in range(24)])
    sides = [{texts.index(text) // 4 for text in grouped.texts(split)} for split in ("train", "validation")]
    assert len(grouped.texts("train")) + len(grouped.texts("validation")) == 24 and sides[0] and sides[1]


def test_odd_texts_are_named_and_counts_add_up():
    texts, labels = reviews(24)
    with pytest.warns(kt.DataWarning) as warned:
        data = kt.data.from_texts([*texts, *ODD], [*labels, *["good"] * len(ODD)], tokenizer=tokenizer("bert"))
    said = "\n".join(str(each.message) for each in warned)
    assert "2 of 32 texts are left out" in said and "no UTF-8" in said and "ends are cut" in said
    used = sum(len(part) for part in data.splits.values())
    assert used + len(data.left_out) == 32 and data.length == 256
    assert sum(len(labels) for _, labels in data.train) == len(data.splits["train"])
    assert "train" in repr(data) and data.show(4).get_axes()


def test_folders_of_texts(tmp_path):
    texts, labels = reviews(20)
    for index, (text, label) in enumerate(zip(texts, labels, strict=True)):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / f"{index}.txt").write_text(text)
    (tmp_path / "good" / "latin.txt").write_bytes("caf\u00e9".encode("cp1252"))
    (tmp_path / "good" / "binary.txt").write_bytes(b"\0\1\2")
    (tmp_path / "bad" / "empty.txt").write_text(" \n")
    (tmp_path / "bad" / "marked.txt").write_bytes(b"\xef\xbb\xbfthe film")
    with pytest.warns(kt.DataWarning, match="3 of 24 texts are left out"):
        data = kt.data.from_text_directory(tmp_path, tokenizer=tokenizer("bert"))
    reasons = {item.path.name: item.reason for item in data.left_out}
    assert "0xe9 at place 3, which is not utf-8" in reasons["latin.txt"] and "NUL" in reasons["binary.txt"]
    assert reasons["empty.txt"] == "is empty"
    assert "the film" in data.texts("train") + data.texts("validation")
    with pytest.warns(kt.DataWarning, match="2 of 24 texts are left out"):
        kt.data.from_text_directory(tmp_path, tokenizer=tokenizer("bert"), encoding="cp1252")
    with pytest.raises(kt.InputError, match="an encoding that Python knows"):
        kt.data.from_text_directory(tmp_path, tokenizer=tokenizer("bert"), encoding="utf-9")
    with pytest.raises(kt.InputError, match="is not a folder"):
        kt.data.from_text_directory(tmp_path / "none", tokenizer=tokenizer("bert"))


@pytest.mark.parametrize(
    ("texts", "labels", "options", "said"),
    [
        ("one text", ["a"], {}, "a list of strings"),
        ([1, 2], ["a", "b"], {}, "Expected strings. Received: 1"),
        (["a", "b"], ["a"], {}, "labels"),
        (["a", "b"], ["a", "b"], {"length": 2}, "length"),
        (["a", "b", "c"], ["a", "a", "a"], {}, "2 or more classes"),
        (["a", "b"] * 3, ["a", "b"] * 3, {"groups": [1]}, "a group for each of 6"),
        (["a", "b"] * 3, ["a", "b"] * 3, {"tokenizer": 7}, "Received: int"),
        (["a", "b"] * 3, ["a", "b"] * 3, {"tokenizer": "no_such_preset"}, "preset of KerasHub with a tokenizer"),
    ],
)
def test_what_cannot_be_data_is_named(texts, labels, options, said):
    with pytest.raises(kt.InputError, match=said):
        kt.data.from_texts(texts, labels, **{"tokenizer": tokenizer("bert"), **options})


def test_a_preset_that_cannot_be_downloaded_says_which_files_to_bring(monkeypatch):
    import keras_hub

    def offline(preset, **options):
        raise ConnectionError("no network")

    monkeypatch.setattr(keras_hub.tokenizers.Tokenizer, "from_preset", offline)
    with pytest.raises(kt.DownloadError, match="save_to_preset"):
        find_tokenizer("bert_tiny_en_uncased")


def test_without_keras_hub_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("keras_transfer._presets.find_spec", lambda name: None)
    with pytest.raises(kt.InputError, match=r"pip install 'keras-transfer\[keras-hub\]'"):
        kt.data.from_texts(["a", "b"], ["a", "b"], tokenizer="bert_tiny_en_uncased")


def test_a_saved_tokenizer_is_the_same_and_accents_are_taken_off(tmp_path):
    made = TextTokenizer(tokenizer("bert"))
    made.save(tmp_path)
    loaded = find_tokenizer(str(tmp_path))
    assert made.vocabulary_size == loaded.vocabulary_size and len(made.digest) == 32
    assert np.array_equal(loaded(tf.constant(["go\u00f6d f\u00efne"]), 6), made(tf.constant(["good fine"]), 6))


def test_tables_of_texts(tmp_path):
    texts, labels = reviews(24)
    made = tokenizer("bert")
    table = {"review": [*texts, "", None, "fine"], "stars": [*labels, "good", "bad", None], "by": list(range(27))}
    with pytest.warns(kt.DataWarning, match="3 of 27 texts are left out"):
        data = kt.data.from_dataframe(table, text_column="review", label_column="stars", tokenizer=made)
    assert {item.reason for item in data.left_out} == {"has no text", "has no label"}
    assert sorted(data.texts("train") + data.texts("validation")) == sorted(texts)
    sides = ["val" if place % 3 == 0 else "train" for place in range(24)]
    lines = [",".join(row) for row in zip(texts, labels, sides, strict=True)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,label,split", *lines]))
    split = kt.data.from_dataframe(tmp_path / "reviews.csv", text_column="text", split_column="split", tokenizer=made)
    assert split.texts("validation") == texts[::3] and split.class_names == ("bad", "good")
    with pytest.raises(kt.InputError, match="with `text_column`"):
        kt.data.from_dataframe(table, label_column="stars", tokenizer=made)
    with pytest.raises(kt.InputError, match="Unknown column"):
        kt.data.from_dataframe(table, text_column="none", label_column="stars", tokenizer=made)


def test_the_doctor_of_texts():
    texts, labels = reviews(40)
    russian = "\u0444\u0438\u043b\u044c\u043c \u0445\u043e\u0440\u043e\u0448\u0438\u0439"
    odd = {russian: "another script", "caf\u00c3\u00a9 was good": "wrong encoding", "good": "a single word"}
    said = "The film was good, and the story was fine too"
    texts, labels = [*texts, *odd, texts[0], f"{said}.", f"{said}!"], [*labels, *["good"] * 5, "bad"]
    with pytest.warns(kt.DataWarning, match="ends are cut"):
        data = kt.data.from_texts(texts, labels, tokenizer=tokenizer("bert"), length=12, validation_split=0.3)
    found = kt.data.check(data)
    kinds = {finding.kind for finding in found.findings}
    assert kinds >= {*odd.values(), "longer than the limit", "copies in two classes", "unknown to the tokenizer"}
    assert found.serious and str(found).startswith("46 texts found, 46 usable")
    assert "copies in two classes" in found._repr_html_()
    texts = [f"{text} {index}" for index, text in enumerate(reviews(12)[0])]
    clean = kt.data.check(kt.data.from_texts(texts, reviews(12)[1], tokenizer=tokenizer("roberta")))
    assert "another script" not in {finding.kind for finding in clean.findings}


def test_texts_of_tensorflow_datasets(tmp_path):
    import tensorflow_datasets as tfds

    texts, labels = reviews(20)

    class Reviews(tfds.core.GeneratorBasedBuilder):
        """Sentences, of which one is blank and one has no label; those of the test have none at all."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"number": tfds.features.Scalar(np.int64), "sentence": tfds.features.Text()}
            features["label"] = tfds.features.ClassLabel(names=["bad", "good"])
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, manager):
            return {"train": self._generate_examples("train"), "test": self._generate_examples("test")}

        def _generate_examples(self, split):
            for number, (text, label) in enumerate([*zip(texts, labels, strict=True), (" ", "good"), ("it", -1)]):
                label = -1 if split == "test" else label
                yield number, {"number": number, "sentence": text, "label": label}

    builder = Reviews(data_dir=str(tmp_path))
    builder.download_and_prepare()
    with pytest.warns(kt.DataWarning, match="24 of 44 texts are left out"):
        data = kt.data.from_tfds(builder, tokenizer=tokenizer("bert"))
    assert data.class_names == ("bad", "good") and set(data.splits) == {"train", "validation"}
    read = {text: label for split in data.splits for text, label in
            zip(data.texts(split), data.splits[split].labels, strict=True)}  # fmt: skip
    assert len(read) <= 20 and all(read[text] == (label == "good") for text, label in zip(texts, labels, strict=True))
    with pytest.raises(kt.DataError, match="with 'image' and 'label'"):
        kt.data.from_tfds(builder)


def test_near_copies_stay_on_one_side(tmp_path):
    """Each text is there three times: as it is, in capitals, and with a letter more."""
    seen = [f"{colour} {thing}" for colour in ("red", "pale") for thing in ("film", "horse", "table", "river")]
    different = [f"{part} {part} {part} was all that anybody saw of the {part} that year in our house" for part in seen]
    texts = [text for each in different for text in (each, each.upper(), f"{each}s")]
    data = kt.data.from_texts(
        texts, [index % 2 for index in range(len(texts))], tokenizer=tokenizer("bert"), groups="duplicates"
    )
    sides = [{text.lower().rstrip("s") for text in data.texts(split)} for split in ("train", "validation")]
    assert len(sides[1]) > 1 and not sides[0] & sides[1]
    for index, text in enumerate(texts):
        path = tmp_path / "ab"[index % 2] / f"{index}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    from_files = kt.data.from_text_directory(tmp_path, tokenizer=tokenizer("bert"), groups="duplicates")
    found = [{text.lower().rstrip("s") for text in from_files.texts(split)} for split in ("train", "validation")]
    assert not found[0] & found[1]
    with pytest.raises(kt.InputError, match="groups='duplicates', or a group for each"):
        kt.data.from_texts(texts, texts, tokenizer=tokenizer("bert"), groups="copies")
