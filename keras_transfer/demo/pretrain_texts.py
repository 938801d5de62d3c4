"""Makes the encoder of texts that the demo ships: `python -m keras_transfer.demo.pretrain_texts OUTPUT`.

A BERT of two blocks learns to fill in masked words of sentences of a grammar (see `sentences`), in some minutes on two
cores. The same seed on the same machine gives the same weights. Devlin and others, "BERT" (2019), section 3.1,
https://arxiv.org/abs/1810.04805. Departures: no pairs of sentences, and a vocabulary of whole words.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

from keras_transfer.demo.sentences import paragraphs, vocabulary

LENGTH = 40  # tokens of a text
WIDTH, BLOCKS, HEADS = 64, 2, 2
BATCH = 128
MASKED, MOST = 0.25, 10  # share of the tokens that are masked, and their largest number in a text
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]


def make_tokenizer() -> Any:
    """Returns a tokenizer of the words of the grammar, which spells others by their letters."""
    import keras_hub

    pieces = [*SPECIAL, *vocabulary()]
    spelled = [letter for letter in LETTERS if letter not in pieces]
    vocabulary_of_all = [*pieces, *spelled, *(f"##{letter}" for letter in LETTERS)]
    return keras_hub.tokenizers.BertTokenizer(vocabulary=vocabulary_of_all, lowercase=True, strip_accents=True)


def mask(mask_id: int, size: int, number: Any, rows: Any) -> tuple[dict[str, Any], Any, Any]:
    """Hides a quarter of the tokens of texts: most behind [MASK], some behind any token, some not at all.

    KerasHub's own layer for this draws rows side by side in any order, so that a seed would not give one result.

    Args:
        mask_id: the number of [MASK].
        size: of the vocabulary.
        number: the batch's, from which masks are drawn.
        rows: int32 `(batch, tokens)`, 0 where there is none.

    Returns:
        What the encoder and the head take, the hidden tokens `(batch, MOST)`, and 1.0 for those that count.
    """
    import tensorflow as tf

    shape = tf.concat([[3], tf.shape(rows)], axis=0)
    order, fate, other = tf.unstack(tf.random.stateless_uniform(shape, tf.stack([number, tf.zeros_like(number)])))
    words = rows >= len(SPECIAL)
    places = tf.math.top_k(tf.where(words, order, -1.0), MOST).indices
    wanted = tf.math.ceil(MASKED * tf.reduce_sum(tf.cast(words, "float32"), axis=1, keepdims=True))
    counted = tf.cast(tf.range(MOST, dtype="float32") < wanted, "float32")
    hidden = tf.cast(tf.reduce_sum(tf.one_hot(places, LENGTH) * counted[..., None], axis=1), bool)
    any_token = tf.cast(other * (size - len(SPECIAL)), rows.dtype) + len(SPECIAL)
    shown = tf.where(fate < 0.8, tf.cast(mask_id, rows.dtype), tf.where(fate < 0.9, any_token, rows))
    inputs = {
        "token_ids": tf.where(hidden, shown, rows),
        "mask_positions": places,
        "padding_mask": tf.cast(rows != 0, tf.int32),
        "segment_ids": tf.zeros_like(rows),
    }
    return inputs, tf.gather(rows, places, batch_dims=1), counted


def pretrain(output: Path, texts: int = 40_000, epochs: int = 6, seed: int = 0) -> float:
    """Trains the encoder, writes it with its tokenizer as a preset, and returns the share of masked words it finds."""
    import keras
    import keras_hub
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tokenizer = make_tokenizer()
    size = tokenizer.vocabulary_size()
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=size,
        num_layers=BLOCKS,
        num_heads=HEADS,
        hidden_dim=WIDTH,
        intermediate_dim=4 * WIDTH,
        dropout=0.1,
        max_sequence_length=LENGTH,
        num_segments=2,
    )
    packer = keras_hub.layers.StartEndPacker(LENGTH, tokenizer.cls_token_id, tokenizer.sep_token_id, pad_value=0)
    rows = packer(tokenizer(tf.constant(list(paragraphs(texts, seed)))))
    every, held_out = tf.data.Dataset.from_tensor_slices(rows), texts // 20
    train = every.skip(held_out).shuffle(texts, seed).batch(BATCH, drop_remainder=True)
    masked = partial(mask, tokenizer.mask_token_id, size)
    positions = keras.Input((MOST,), name="mask_positions", dtype="int32")
    head = keras_hub.layers.MaskedLMHead(
        vocabulary_size=size, token_embedding=encoder.token_embedding, intermediate_activation="gelu"
    )
    words = head(encoder.output["sequence_output"], mask_positions=positions)
    model = keras.Model({**encoder.input, "mask_positions": positions}, words)
    steps = len(train)
    rate = keras.optimizers.schedules.CosineDecay(0.0, epochs * steps, warmup_target=3e-3, warmup_steps=steps // 2)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    drawn = train.repeat(epochs).enumerate(seed * epochs * steps)
    model.fit(drawn.map(masked), epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=2)
    accuracy = model.evaluate(every.take(held_out).batch(BATCH).enumerate().map(masked), verbose=0)[1]
    encoder.save_to_preset(str(output))
    tokenizer.save_to_preset(str(output))
    return float(accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a folder, written as a preset of KerasHub")
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.monotonic()
    accuracy = pretrain(args.output, args.texts, args.epochs, args.seed)
    minutes = (time.monotonic() - start) / 60
    print(f"masked words found {accuracy:.3f}, {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
