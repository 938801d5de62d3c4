"""Makes the encoder of texts that the demo ships: `python -m keras_transfer.demo.pretrain_texts OUTPUT`.

A BERT of two blocks learns to fill in masked words of sentences of a grammar (see `sentences`), in some minutes on two
cores. The same seed on the same machine gives the same weights. Devlin and others, "BERT" (2019), section 3.1,
https://arxiv.org/abs/1810.04805. Departures: no pairs of sentences, and a vocabulary of whole words.
"""

from __future__ import annotations

import argparse
import time
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
    masker = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary_size=size,
        mask_selection_rate=MASKED,
        mask_token_id=tokenizer.mask_token_id,
        mask_selection_length=MOST,
        unselectable_token_ids=[0, tokenizer.cls_token_id, tokenizer.sep_token_id],
    )

    def masked(rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        found = masker(rows)
        inputs = {
            "token_ids": found["token_ids"],
            "mask_positions": found["mask_positions"],
            "padding_mask": tf.cast(rows != 0, tf.int32),
            "segment_ids": tf.zeros_like(rows),
        }
        return inputs, found["mask_ids"], found["mask_weights"]

    rows = packer(tokenizer(tf.constant(list(paragraphs(texts, seed)))))
    every, held_out = tf.data.Dataset.from_tensor_slices(rows), texts // 20
    train = every.skip(held_out).shuffle(texts, seed).batch(BATCH, drop_remainder=True)
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
    one_by_one = tf.data.Options()
    one_by_one.threading.private_threadpool_size = 1  # several threads would draw masks in any order
    model.fit(train.map(masked).with_options(one_by_one), epochs=epochs, shuffle=False, verbose=2)
    accuracy = model.evaluate(every.take(held_out).batch(BATCH).map(masked), verbose=0)[1]
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
