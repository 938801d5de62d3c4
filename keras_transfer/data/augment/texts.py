"""Augmentations of texts: random changes to tokens int32 `(length,)`, -1 after the last one.

There is none that always leaves the meaning as it is, so none is on by default. Each draws its random numbers from its
seed alone.
"""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._registry import Registry
from keras_transfer.data.augment.seeded_layers import Augmentation

TEXT_AUGMENTATIONS: Registry[Augmentation] = Registry("text augmentation")

_DROPPED = 0.1  # share of the tokens


@TEXT_AUGMENTATIONS.register("none")
def none(tokens: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Leaves the text as it is."""
    return tokens


@TEXT_AUGMENTATIONS.register("word_dropout")
def word_dropout(tokens: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Leaves out each token with a chance of one in ten, except for the first and the last.

    Iyyer, Manjunatha, Boyd-Graber, Daumé, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification"
    (2015), section 3.1, https://aclanthology.org/P15-1162. Departures: tokens in place of words, and a tenth in place
    of three tenths, since word order counts here.
    """
    places = tf.range(tf.size(tokens))
    count = tf.reduce_sum(tf.cast(tokens >= 0, tf.int32))
    outer = (places == 0) | (places == count - 1)
    kept = (outer | (tf.random.stateless_uniform(tf.shape(tokens), seed) >= _DROPPED)) & (tokens >= 0)
    found = tf.boolean_mask(tokens, kept)
    return tf.ensure_shape(tf.pad(found, [[0, tf.size(tokens) - tf.size(found)]], constant_values=-1), tokens.shape)
