"""Small tokenizers and encoders of KerasHub, and texts about which there is something to learn."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import keras_hub
import numpy as np
import sentencepiece
from keras_hub import models, tokenizers

WORDS = [
    "a",
    "the",
    "film",
    "was",
    "is",
    "not",
    "very",
    "good",
    "fine",
    "bad",
    "dull",
    "story",
    "plot",
    "and",
    "of",
    "it",
    "in",
    "one",
]
LETTERS = [chr(code) for code in range(97, 123)]
LENGTH = 12


def reviews(count: int = 48, seed: int = 0) -> tuple[list[str], list[str]]:
    """Returns sentences of several lengths that are good where they name what is good."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for index in range(count):
        good = index % 2 == 0
        filler = rng.choice(["a", "the", "film", "story", "plot", "of", "it", "one"], rng.integers(0, 6)).tolist()
        texts.append(
            " ".join(["the", "film", "was", *filler, *rng.choice(["good", "fine"] if good else ["bad", "dull"], 2)])
        )
        labels.append("good" if good else "bad")
    return texts, labels


def write_reviews(file: Path) -> None:
    """Writes sentences and their labels as a CSV file."""
    file.write_text("\n".join(["text,label", *map(",".join, zip(*reviews(), strict=True))]), encoding="utf-8")


def write_sentences(folder: Path) -> Path:
    """Writes sentences and their labels, 0 or 1, as `train.tsv` and `dev.tsv`."""
    folder.mkdir()
    for part, seed in (("train", 0), ("dev", 1)):
        rows = (f"{text}\t{int(label == 'good')}" for text, label in zip(*reviews(seed=seed), strict=True))
        (folder / f"{part}.tsv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@cache
def tokenizer(family: str):
    """Returns a small tokenizer of the kind that a family of networks has."""
    if family in ("bert", "distil_bert"):
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pieces = [*special, *WORDS, *LETTERS[1:], *(f"##{letter}" for letter in LETTERS)]
        kind = tokenizers.BertTokenizer if family == "bert" else tokenizers.DistilBertTokenizer
        return kind(vocabulary=pieces, lowercase=True)
    if family in ("roberta", "gpt2"):
        merges = ["Ġ f", "i l", "Ġf il", "Ġfil m", "g o", "Ġ go", "o d", "Ġgo od", "b a", "Ġ ba", "Ġba d"]
        letters = [*LETTERS, *map(chr, range(0x100, 0x144)), *map(chr, range(33, 97)), *map(chr, range(123, 256))]
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if family == "roberta" else ["<|endoftext|>"]
        pieces = list(dict.fromkeys([*special, *letters, *(merge.replace(" ", "") for merge in merges)]))
        kind = tokenizers.RobertaTokenizer if family == "roberta" else tokenizers.GPT2Tokenizer
        return kind(vocabulary={piece: number for number, piece in enumerate(pieces)}, merges=merges)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(reviews(200)[0]),
        model_writer=model,
        vocab_size=40,
        model_type="WORD",
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        pad_piece="<pad>",
        unk_piece="<unk>",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        user_defined_symbols="[MASK]",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return tokenizers.AlbertTokenizer(proto=model.getvalue())


def encoder(family: str, seed: int = 0) -> keras_hub.models.Backbone:
    """Returns a small network with random weights."""
    import keras

    keras.utils.set_random_seed(seed)
    size = tokenizer(family).vocabulary_size()
    form = {"vocabulary_size": size, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    form |= {"max_sequence_length": 64, "dropout": 0.1}
    kinds = {
        "bert": models.BertBackbone,
        "distil_bert": models.DistilBertBackbone,
        "roberta": models.RobertaBackbone,
        "albert": models.AlbertBackbone,
        "gpt2": models.GPT2Backbone,
    }
    return kinds[family](**form, **({"embedding_dim": 8} if family == "albert" else {}))
