"""TextTokenizer: a tokenizer of KerasHub in the graph, from strings of any content to rows of tokens."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._presets import keras_hub, load_preset
from keras_transfer.data.text.words import NOWHERE

FOLDER = "tokenizer"  # in the folder of an export
NOTHING = -1  # in place of a token, after the last one of a shorter text
_CHUNK = 128  # texts that are counted together
_LETTERS = 64  # that are looked at for each token wanted, so that a huge text takes no more memory
_WORD = 1000  # letters after which a word of a byte pair tokenizer, which takes their square, is broken


class TextTokenizer:
    """A tokenizer of KerasHub. It makes the same tokens in training, in an export and in a server.

    Bytes that are no UTF-8 become the replacement character U+FFFD, and NUL a blank. A text begins and ends with the
    tokens with which texts of the pretraining did, where the tokenizer knows them; of a longer one the end is cut, and
    no more than 64 letters for each token wanted are looked at.

    Args:
        tokenizer: of the class `keras_hub.tokenizers.Tokenizer`.
    """

    def __init__(self, tokenizer: Any):
        self.hub = tokenizer
        self.start = _number(tokenizer, "start_token_id", "cls_token_id")
        self.end = _number(tokenizer, "end_token_id", "sep_token_id")
        unknown = getattr(tokenizer, "oov_token", None) or getattr(tokenizer, "unk_token", None)
        self.unknown = None if unknown is None else int(tokenizer.token_to_id(unknown))

    @property
    def name(self) -> str:
        """Name of the tokenizer's class."""
        return type(self.hub).__name__

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens that there are."""
        return int(self.hub.vocabulary_size())

    def __call__(self, texts: tf.Tensor, length: int) -> tf.Tensor:
        """Makes tokens of texts: from strings `(batch,)` to int32 `(batch, length)`, -1 after the last token."""
        return self._framed(self._pieces(texts, _LETTERS * length), length)

    def lengths(self, texts: np.ndarray, length: int) -> np.ndarray:
        """Returns the number of tokens that each text would have uncut, int64 `(count,)`.

        The texts are bytes `(count,)`. Tokens at the beginning and the end count. Of a text far longer than `length`
        the number is too small, but above it.
        """
        around = (self.start is not None) + (self.end is not None)
        letters = tf.constant(_LETTERS * length)
        found = [
            self._pieces(tf.constant(texts[start : start + _CHUNK]), letters).row_lengths().numpy()
            for start in range(0, len(texts), _CHUNK)
        ]
        return np.maximum(1, np.concatenate([np.zeros(0, np.int64), *found]) + around)

    def of_words(self, words: tf.RaggedTensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes tokens of texts of which the words are known, each word by itself.

        A tokenizer may make one token of several words that it does not know; here each has its own.

        Args:
            words: strings `(batch, any)`. Of a text so many are looked at as there can be tokens.
            length: of the rows of tokens.

        Returns:
            The tokens int32 `(batch, length)`, -1 after the last one; and the place of the first token of each word,
            int32 `(batch, words)`, -1 for a word that has none or is cut off.
        """
        seen = words[:, :length]
        flat = seen.flat_values
        first = tf.equal(tf.range(tf.size(flat, tf.int64)), tf.gather(seen.row_starts(), seen.value_rowids()))
        pieces = self._pieces(tf.where(first, flat, tf.strings.join([" ", flat])), _LETTERS * length)
        counts = seen.with_flat_values(tf.cast(pieces.row_lengths(), tf.int32)).to_tensor(0)
        places = tf.cumsum(counts, axis=1, exclusive=True) + (self.start is not None)
        inside = (counts > 0) & (places < length - (self.end is not None))
        missing = words.bounding_shape(axis=1, out_type=tf.int32) - tf.shape(places)[1]
        places = tf.pad(tf.where(inside, places, NOWHERE), [[0, 0], [0, missing]], constant_values=NOWHERE)
        whole = seen.with_flat_values(pieces).merge_dims(1, 2)
        return self._framed(whole, length), places

    @cached_property
    def digest(self) -> str:
        """A hash of the vocabulary and all settings."""
        with tempfile.TemporaryDirectory() as folder:
            self.save(folder)
            found = blake2b(digest_size=16)
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    found.update(f"{path.relative_to(folder).as_posix()}:{path.stat().st_size}:".encode())
                    found.update(path.read_bytes())
        return found.hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the tokenizer's files as a preset of KerasHub, which `keras_hub.tokenizers.Tokenizer` loads."""
        self.hub.save_to_preset(str(folder))
        config = Path(folder, "config.json")
        network = getattr(self.hub, "backbone_cls", None)
        if network is not None and not config.exists():  # by which KerasHub knows the class of a preset
            named = {"module": network.__module__, "class_name": network.__name__, "config": {}}
            named |= {"registered_name": f"keras_hub>{network.__name__}"}
            config.write_text(json.dumps(named, indent=4) + "\n", encoding="utf-8")

    def _framed(self, pieces: tf.RaggedTensor, length: int) -> tf.Tensor:
        """Puts pieces between the tokens of begin and end, and makes rows of one length of them."""
        around = [number for number in (self.start, self.end) if number is not None]
        ragged = pieces[:, : length - len(around)]
        count = tf.cast(pieces.nrows(), tf.int32)
        parts = [
            *([] if self.start is None else [_column(self.start, count)]),
            ragged,
            *([] if self.end is None else [_column(self.end, count)]),
        ]
        whole = tf.concat(parts, axis=1) if len(parts) > 1 else ragged
        tokens = whole.to_tensor(NOTHING, shape=(None, length))
        if not around:  # something must be there to look at
            empty = tf.equal(whole.row_lengths(), 0)
            first = tf.where(empty, tf.zeros_like(tokens[:, 0]), tokens[:, 0])
            tokens = tf.concat([first[:, tf.newaxis], tokens[:, 1:]], axis=1)
        return tf.ensure_shape(tokens, (None, length))

    @cached_property
    def _pieces(self) -> Callable[[tf.Tensor, tf.Tensor | int], tf.RaggedTensor]:
        """Makes tokens of texts `(batch,)`, of so many letters of each, in a graph: outside KerasHub gives lists."""
        by_pairs = hasattr(self.hub, "merges")

        def pieces(texts: tf.Tensor, letters: tf.Tensor) -> tf.RaggedTensor:
            whole = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
            clean = tf.strings.substr(tf.strings.regex_replace(whole, "\\x00", " "), 0, letters, unit="UTF8_CHAR")
            if by_pairs:
                clean = tf.strings.regex_replace(clean, f"(\\S{{{_WORD}}})", "\\1 ")
            with _model_in_graph(self.hub):
                return tf.cast(self.hub(clean), tf.int32)

        return tf.function(
            pieces, input_signature=[tf.TensorSpec((None,), tf.string), tf.TensorSpec((), tf.int32)], autograph=False
        )


@dataclass(frozen=True)
class StoredTokenizer:
    """The tokenizer in the folder of an export, loaded where it is used; the export's own graph does without.

    Attributes:
        folder: of the export; None where there is none.
    """

    folder: Path | None

    def __call__(self, texts: tf.Tensor, length: int) -> tf.Tensor:
        """Makes tokens of texts, as `TextTokenizer` does."""
        return self.loaded(texts, length)

    def of_words(self, words: tf.RaggedTensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes tokens of words, as `TextTokenizer` does."""
        return self.loaded.of_words(words, length)

    @cached_property
    def loaded(self) -> TextTokenizer:
        """The tokenizer.

        Raises:
            InputError: if it is not there, or KerasHub is not installed.
        """
        if self.folder is None:
            raise InputError("Expected a version in a folder. Received: a description alone, which has no tokenizer.")
        with tf.init_scope():  # its tables must not belong to a graph that is being traced
            return TextTokenizer(_loaded(self.folder / FOLDER))  # as it was, whatever `find_tokenizer` mends


def find_tokenizer(tokenizer: Any) -> TextTokenizer:
    """Returns a tokenizer, of a preset's name, handle or folder, or of the object.

    Of a preset that lowers letters, accents are taken off too, as BERT's authors did before they pretrained it;
    KerasHub leaves them, and most words with one are then unknown.

    Raises:
        InputError: if KerasHub is not installed, there is no such preset, or the object is no tokenizer.
        DownloadError: if it cannot be downloaded.
    """
    if isinstance(tokenizer, TextTokenizer):
        return tokenizer
    library = keras_hub()
    if isinstance(tokenizer, (str, os.PathLike)):
        found = _loaded(tokenizer)
        if getattr(found, "lowercase", False) and hasattr(found, "strip_accents"):
            found.strip_accents = True
        return TextTokenizer(found)
    if not isinstance(tokenizer, library.tokenizers.Tokenizer):
        raise InputError(
            "Expected `tokenizer` to be a preset of KerasHub, by its name, handle or folder, or a "
            f"keras_hub.tokenizers.Tokenizer. Received: {type(tokenizer).__name__}."
        )
    return TextTokenizer(tokenizer)


def _loaded(preset: str | os.PathLike[str]) -> Any:
    return load_preset(keras_hub().tokenizers.Tokenizer.from_preset, os.fspath(preset), "tokenizer")


def _number(tokenizer: Any, *names: str) -> int | None:
    found = (getattr(tokenizer, name, None) for name in names)
    return next((int(number) for number in found if number is not None), None)


@contextmanager
def _model_in_graph(tokenizer: Any) -> Iterator[None]:
    """Puts the model of a SentencePiece tokenizer into the graph that is traced within the context.

    Made outside, it belongs to a kernel that TensorFlow drops with its caches, as `keras.utils.set_random_seed` makes
    it do; every later use fails.
    """
    proto = getattr(tokenizer, "proto", None)
    if proto is None or not hasattr(tokenizer, "_set_proto_tf"):
        yield
        return
    own = tokenizer._sentence_piece
    tokenizer._set_proto_tf(proto)
    try:
        yield
    finally:
        tokenizer._sentence_piece = own


def _column(number: int, count: tf.Tensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_tensor(tf.fill(tf.stack([count, 1]), tf.constant(number, tf.int32)))
