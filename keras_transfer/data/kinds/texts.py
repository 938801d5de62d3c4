"""Texts: strings as rows of tokens, which the tokenizer of the network makes in the graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._keras.still import layers_inside
from keras_transfer.data.kinds.kind import Kind
from keras_transfer.data.text.files import read_text
from keras_transfer.data.text.tokenizing import FOLDER, NOTHING, TextTokenizer
from keras_transfer.data.text.words import OfWords, at_words, words_of

_CLOSE = 0.99  # share of a network's vocabulary that the tokenizer's has at least; some networks have spare places
_STEP = 8  # to a multiple of which batches are cut: fewer lengths, fewer graphs


@dataclass(frozen=True)
class Texts(Kind):
    """Texts, of which a network gets the tokens.

    Attributes:
        tokenizer: makes of strings `(batch,)` and a length int32 `(batch, length)`, -1 after the last token.
        length: tokens of a text at most; the end of a longer one is cut.
        by_word: each word has an answer of its own.
    """

    tokenizer: TextTokenizer | Callable[[tf.Tensor, int], tf.Tensor]
    length: int
    by_word: bool = False

    name = "text"
    noun = "texts"
    one = "a text"
    tensor = "tokens"
    content = "text"
    decoder = "tokenize"
    files = "texts"
    maker = "author"
    range_said = ", whole numbers, -1 for no token"
    other_formats = "The graph takes UTF-8; what is not becomes U+FFFD. Send other encodings as UTF-8."
    dtype = tf.int32

    @property
    def spec(self) -> tf.TensorSpec:
        """int32 `(length,)`, -1 after the last token."""
        return tf.TensorSpec((self.length,), tf.int32)

    @property
    def batch_spec(self) -> tf.TensorSpec:
        """int32 `(batch, any)`."""
        return tf.TensorSpec((None, None), tf.int32, name=self.tensor)

    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Makes the tokens of one text."""
        return self.decode_batch(raw[tf.newaxis])[0]

    def decode_batch(self, raw: tf.Tensor) -> tf.Tensor:
        """Makes the tokens of texts, strings `(batch,)`."""
        of_words = getattr(self.tokenizer, "of_words", None) if self.by_word else None
        return self.tokenizer(raw, self.length) if of_words is None else of_words(words_of(raw), self.length)[0]

    def trimmed(self, batch: tf.Tensor) -> tf.Tensor:
        """Cuts off the end where no text of a batch has a token, up to a multiple of eight."""
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(batch > NOTHING, tf.int32), axis=1))
        steps = (longest + _STEP - 1) // _STEP  # of positive numbers: runtimes round negative ones in other ways
        return batch[:, : tf.maximum(steps, 1) * _STEP]

    def labels_of(self, labels: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Cuts the labels of words as far as their tokens are."""
        return labels[:, : tf.shape(batch)[1]] if self.by_word else labels

    def placed(self, outputs: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Gives outputs for words the length of the batch, and 0 where there is no token."""
        if not self.by_word:
            return outputs
        missing = tf.shape(batch)[1] - tf.shape(outputs)[1]
        there = (batch > NOTHING)[..., tf.newaxis]
        return tf.where(there, tf.pad(outputs, [[0, 0], [0, missing], [0, 0]]), tf.zeros((), outputs.dtype))

    def by_part(self, outputs: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the outputs of words, and the words `(batch, words)`, "" after the last one of a text."""
        if not self.by_word:
            return outputs, {}
        words = words_of(raw)
        places = cast(OfWords, self.tokenizer).of_words(words, self.length)[1]
        return at_words(outputs, places), {"words": words.to_tensor("")}

    def fit(self, example: tf.Tensor) -> tf.Tensor:
        """Brings tokens that are in memory to the length."""
        cut = tf.cast(example, tf.int32)[: self.length]
        return tf.pad(cut, [[0, self.length - tf.size(cut)]], constant_values=NOTHING)

    def content_of(self, example: str | os.PathLike[str] | bytes) -> bytes:
        """Returns a text as UTF-8: a string is the text itself, a `Path` that of a file."""
        if isinstance(example, bytes):
            return example
        return example.encode("utf-8", "replace") if isinstance(example, str) else read_text(example)

    @property
    def formats(self) -> str:
        """The formats that `decode` takes, in words."""
        return "texts in UTF-8"

    def described(self) -> dict[str, Any]:
        """Returns the length, and the tokenizer's class, vocabulary and hash."""
        found: dict[str, Any] = {"length": self.length, "padding": NOTHING, "by_word": self.by_word}
        if isinstance(self.tokenizer, TextTokenizer):
            found |= {
                "tokenizer": self.tokenizer.name,
                "vocabulary_size": self.tokenizer.vocabulary_size,
                "tokenizer_hash": self.tokenizer.digest,
            }
        return found

    @property
    def form(self) -> str:
        """Length in words."""
        return f"up to {self.length} tokens"

    @property
    def limits(self) -> list[str]:
        """Sentences on what cannot be read in this form."""
        return [
            f"It reads the first {self.length} tokens of a text; a word has one or a few.",
            "It knows the languages that its network was pretrained and trained on, and no others.",
        ]

    @property
    def resources(self) -> Any:
        """The tokenizer, whose tables an export holds."""
        return getattr(self.tokenizer, "hub", None)

    def write_beside(self, folder: Path) -> None:
        """Writes the tokenizer's files, for runtimes that take tokens."""
        if isinstance(self.tokenizer, TextTokenizer):
            self.tokenizer.save(folder / FOLDER)

    def prepare_runtime(self) -> None:
        """Loads the operations of tokenizers, which TensorFlow needs to load an export."""
        try:
            import tensorflow_text  # noqa: F401
        except ImportError as error:
            raise InputError(
                "Expected tensorflow-text, whose operations a version that takes texts needs; pip install "
                "tensorflow-text. TF Serving has them."
            ) from error

    def served_by(self, decode: Callable[[tf.Tensor], tf.Tensor]) -> Texts:
        """Returns the same kind, whose tokens an export makes."""
        return Texts(lambda raw, length: decode(raw), self.length, self.by_word)

    def check_model(self, model: keras.Model) -> None:
        """Checks that a model takes the tokens of this tokenizer, and so many."""
        if len(model.inputs) != 1 or model.inputs[0].shape[1:] != (None,) or "int" not in model.inputs[0].dtype:
            raise InputError(
                f"Expected a model of texts. Received: one whose input has the shape {model.input_shape}. Build it of "
                "an encoder of texts, such as build_model('bert_tiny_en_uncased', ...)."
            )
        inside = layers_inside(model)
        known = max((getattr(layer, "input_dim", 0) for layer in inside), default=0)
        size = getattr(self.tokenizer, "vocabulary_size", known)
        if known and not _CLOSE * known <= size <= known:
            raise InputError(
                f"Expected the tokenizer that the network was pretrained with, of {known:,} tokens. Received: "
                f"{getattr(self.tokenizer, 'name', 'one')} with {size:,}. Give both the same preset."
            )
        places = [getattr(layer, "sequence_length", None) for layer in inside]
        longest = min((number for number in places if isinstance(number, int)), default=self.length)
        if self.length > longest:
            raise InputError(
                f"Expected texts of {longest} tokens at most, for which the network has positions. Received: data with "
                f"length={self.length}."
            )

    def settings(self) -> dict[str, Any]:
        """Returns tokenizer and length."""
        found = {"tokenizer": getattr(self.tokenizer, "digest", None), "length": self.length}
        return {**found, "by_word": True} if self.by_word else found
