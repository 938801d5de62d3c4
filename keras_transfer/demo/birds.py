"""The demo of sounds: the network of the pictures learns to tell the calls of birds apart by their spectrograms."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import data as sources
from keras_transfer.data import SoundData
from keras_transfer.demo.leaves import IMAGE_SIZE, WEIGHTS
from keras_transfer.demo.saying import draw_classes
from keras_transfer.demo.scratch import Scratch
from keras_transfer.demo.songs import CALLS, sing
from keras_transfer.demo.walk import SCRATCH, TRANSFER, FolderDemo
from keras_transfer.models.building import build_model
from keras_transfer.schedules.phases import Phase
from keras_transfer.training.fine_tuning import fine_tune

SAMPLE_RATE, SECONDS = 16_000, 1.5
CALLS_OF_EACH = {"train": 5, "val": 5, "test": 20}
SEEDS = (0, 1, 2)
RATE = 5e-3
SCRATCH_RATES = (3e-3, 1e-2)
EPOCHS = 40


def record_birds(folder: Path, seed: int, of_each: dict[str, int] = CALLS_OF_EACH) -> None:
    """Writes a folder of WAV files with `train/`, `val/` and `test/`. The test calls do not depend on `seed`.

    Raises:
        InputError: if the folder exists and was not written by this function.
        DiskError: if it cannot be written.
    """

    def draw(index: int, rng: np.random.Generator) -> bytes:
        heard = sing(CALLS[index], rng, SAMPLE_RATE, SECONDS).astype(np.float32)[:, np.newaxis]
        return bytes(tf.audio.encode_wav(heard, SAMPLE_RATE).numpy())

    draw_classes(folder, [call.name for call in CALLS], of_each, seed, ".wav", draw)


def tell_birds(output: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Runs the demo of sounds: trains on five calls of each of eight birds, exports, predicts, and compares.

    Args:
        output: folder for the results.
        quiet: whether to print nothing.

    Returns:
        A dict; see `FolderDemo.run`.
    """
    return FolderDemo(
        about="A MobileNet of 0.2 million weights, trained on patterns drawn by formula, learns to tell birds apart.",
        folder="birds",
        drawn=f"a folder of sounds: {len(CALLS)} birds, {CALLS_OF_EACH['train']} calls of each to train on",
        trained="train: all stages; the spectrogram is computed in the model",
        judged="calls nobody has trained on or chosen by",
        asked="from the bytes of WAV files",
        files=[f"test/{call.name}/{call.name}00.wav" for call in CALLS],
        draw=record_birds,
        read=_read,
        train=_transfer,
        baseline="raw pictures",
        measure=_raw_pictures,
        scratch=lambda sounds: Scratch(partial(_model, sounds, None), SCRATCH_RATES, EPOCHS),
        meanings={
            "raw pictures": "logistic regression on the spectrograms",
            SCRATCH: f"the same network from random weights, best of {len(SCRATCH_RATES)} learning rates",
            TRANSFER: "the same network from the shipped weights, which were trained on pictures",
        },
    ).run(output, SEEDS, quiet=quiet)


def _read(folder: Path, seed: int) -> SoundData:
    return sources.from_audio_directory(
        folder, seconds=SECONDS, sample_rate=SAMPLE_RATE, augment="light", batch_size=16, seed=seed
    )


def _model(sounds: SoundData, weights: Path | None) -> keras.Model:
    return build_model(
        "MobileNet",
        sounds.num_classes,
        weights=weights,
        sound=sounds,
        image_size=IMAGE_SIZE,
        backbone_options={"alpha": 0.25},
    )


def _transfer(sounds: SoundData, seed: int, verbose: int = 0) -> tuple[keras.Model, keras.callbacks.History]:
    keras.utils.set_random_seed(seed)
    model = _model(sounds, WEIGHTS)
    phases = (Phase(EPOCHS, "all", RATE),)
    return model, fine_tune(model, sounds, schedule=phases, rate="warmup_cosine", train_batch_norm=0.9, verbose=verbose)


def _raw_pictures(model: keras.Model, sounds: SoundData) -> float:
    """Returns the accuracy of a logistic regression on the logarithmic mel spectrograms that a model computes."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    spectrogram = keras.Model(model.inputs, model.get_layer("log_mel").output)

    def rows(split: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
        heard, labels = zip(*split.as_numpy_iterator(), strict=True)
        pictures = np.concatenate([spectrogram.predict_on_batch(batch) for batch in heard])
        return pictures.reshape(len(pictures), -1) / 100, np.concatenate(labels)

    classifier = make_pipeline(PCA(), LogisticRegression(C=1e-1, max_iter=300))
    return float(classifier.fit(*rows(replace(sounds, augment="none").train)).score(*rows(sounds.test)))
