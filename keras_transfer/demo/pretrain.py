"""Makes the weights that the demo ships: `python -m keras_transfer.demo.pretrain OUTPUT`.

MobileNet (alpha 0.25) is trained on 256 classes of generated pictures, in less than 30 minutes on two cores.
The same seed on the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from keras_transfer.demo.pictures import draw_formula, formula_classes

IMAGE_SIZE = 96
ALPHA = 0.25
BATCH = 128


def draw_class(label: int, count: int, seed: int) -> np.ndarray:
    """Draws `count` pictures of one class: uint8 `(count, 96, 96, 3)`."""
    rng = np.random.default_rng([seed, label])
    outline, pattern = formula_classes()[label]
    return np.stack([draw_formula(outline, pattern, rng, IMAGE_SIZE) for _ in range(count)])


def pretrain(output: Path, pictures_per_class: int = 150, epochs: int = 24, seed: int = 0) -> float:
    """Trains the network, writes the weights of its backbone and returns its accuracy on new pictures."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    num_classes = len(formula_classes())
    held_out = max(1, pictures_per_class // 15)
    with ProcessPoolExecutor() as pool:
        draw = partial(draw_class, count=pictures_per_class + held_out, seed=seed)
        pictures = np.stack(list(pool.map(draw, range(num_classes), chunksize=4)))
    labels = np.repeat(np.arange(num_classes), pictures_per_class)
    images = pictures[:, held_out:].reshape(-1, IMAGE_SIZE, IMAGE_SIZE, 3)
    test_images = pictures[:, :held_out].reshape(-1, IMAGE_SIZE, IMAGE_SIZE, 3)
    test_labels = np.repeat(np.arange(num_classes), held_out)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for epoch in range(epochs):
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(len(images))
            for start in range(0, len(order) - BATCH + 1, BATCH):
                chosen = order[start : start + BATCH]
                turns, channels = int(rng.integers(4)), rng.permutation(3)
                turned = np.rot90(images[chosen][..., channels], turns, axes=(1, 2))
                yield turned.astype("float32"), labels[chosen]

    signature = (tf.TensorSpec((BATCH, IMAGE_SIZE, IMAGE_SIZE, 3)), tf.TensorSpec((BATCH,), tf.int64))
    train = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)

    base = keras.applications.MobileNet(
        alpha=ALPHA, include_top=False, weights=None, pooling="avg", input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3)
    )
    images_in = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    scaled = keras.applications.mobilenet.preprocess_input(images_in)
    model = keras.Model(images_in, keras.layers.Dense(num_classes)(base(scaled)))
    steps = len(images) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(0.0, epochs * steps, warmup_target=4e-3, warmup_steps=steps)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.02),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(train, epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=2)
    accuracy = model.evaluate(test_images.astype("float32"), test_labels, batch_size=128, verbose=0)[1]
    base.save_weights(output)
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="a file ending in .weights.h5")
    parser.add_argument("--pictures-per-class", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.monotonic()
    accuracy = pretrain(args.output, args.pictures_per_class, args.epochs, args.seed)
    minutes = (time.monotonic() - start) / 60
    print(f"accuracy on {len(formula_classes())} classes of new pictures {accuracy:.3f}, {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
