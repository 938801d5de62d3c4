"""Words of texts: what stands between blanks, and at which token each begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

NOWHERE = -1  # in place of a token, for a word that has none or is cut off


class OfWords(Protocol):
    """What makes tokens of words; tokenizers do."""

    def of_words(self, words: tf.RaggedTensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns tokens, and the place of the first one of each word, int32 `(batch, words)`."""


def words_of(texts: tf.Tensor) -> tf.RaggedTensor:
    """Returns the words of texts `(batch,)`, strings `(batch, any)`."""
    clean = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    return tf.strings.split(tf.strings.regex_replace(clean, "\\x00", " "))


def at_words(outputs: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns what stands at the first token of each word, `(batch, words, width)`; 0 for words without one.

    Args:
        outputs: of each token, `(batch, length, width)`.
        places: of words, int32 `(batch, words)`.
    """
    found = tf.gather(outputs, tf.clip_by_value(places, 0, tf.shape(outputs)[1] - 1), batch_dims=1)
    return tf.where((places > NOWHERE)[..., tf.newaxis], found, tf.zeros_like(found))


def blanks_in(words: Sequence[str]) -> list[str]:
    """Returns the words that are none: empty ones, and those with a blank or NUL in them."""
    return [word for word in words if word.replace("\0", " ").split() != [word]]
