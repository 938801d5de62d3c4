"""The demo of texts: a small encoder, pretrained on sentences of a grammar, learns which reviews speak of money."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import data as sources
from keras_transfer._folders import check_writable
from keras_transfer.data import TextData
from keras_transfer.demo import sentences
from keras_transfer.demo.saying import say_answers, say_medians, sayer
from keras_transfer.demo.walk import conclude, say_steps
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.building import build_model
from keras_transfer.records.run import save_run
from keras_transfer.training.fine_tuning import fine_tune

ENCODER = Path(__file__).parent / "weights" / "grammar_bert"
LABELS, TESTED = 20, 400  # texts to train on, and to test on
SEEDS = (0, 1, 2, 3, 4)

Texts = tuple[list[str], list[str]]


def tell_money(output: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Runs the demo of texts: trains on ten reviews that speak of money and ten others, exports, answers, and compares.

    Args:
        output: folder for the results.
        quiet: whether to print nothing.

    Returns:
        A dict; see `FolderDemo.run`; `second` holds the same for a task that is too hard with so few labels.
    """
    begin = time.monotonic()
    say = sayer(quiet)
    say("An encoder of 0.1 million weights, which filled in masked words of a grammar, learns what is said of money.\n")
    output = output.expanduser()
    check_writable(output)

    say(f"1  texts: {LABELS} reviews to train on, half of which speak of money, and as many to choose by")
    texts = _read(*sentences.bills(2 * LABELS, SEEDS[0]), SEEDS[0])
    say(f"{texts}\n")

    say("2  train: the head is solved on what the encoder says of each text")
    model, history = _solved(texts, verbose=0 if quiet else 2)
    kept = save_run(output, model, texts, history, _rows(texts, *sentences.bills(TESTED, 99)))
    say_steps(say, kept, f"{TESTED} reviews nobody has trained on or chosen by")

    say("5  answers from the SavedModel, which takes strings")
    asked, truth = sentences.bills(8, 77)
    say_answers(say, kept.version, asked, truth)

    say(f"\n6  is it the transfer? The same task for others, {len(SEEDS)} seeds")
    first, accuracies = _compared(sentences.bills)
    meanings = {
        "bag of words": "logistic regression on the words, their pairs and how rare they are",
        "random": "the same encoder with random weights, its head solved",
        "transfer": "the same encoder with the shipped weights, its head solved",
    }
    say_medians(say, first, meanings)
    second, _ = _compared(sentences.reviews)
    say(
        '\n7  and whether a review is glad or sorry, which one word of fifty says, at times after "not": too few labels'
    )
    say_medians(say, second, meanings)
    found = {"accuracy": first, "accuracies": accuracies, "second": second}
    return conclude(say, output, kept, f'"{asked[0]}"', begin, found)


def _compared(draw: Callable[[int, int], Texts]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Returns the accuracies of each way on drawn texts: the medians over the seeds, and all of them."""
    found: dict[str, list[float]] = {"bag of words": [], "random": [], "transfer": []}
    tested = draw(TESTED, 99)
    for seed in SEEDS:
        texts = _read(*draw(2 * LABELS, seed), seed)
        rows = _rows(texts, *tested)
        found["bag of words"].append(_bag_of_words(texts, tested))
        for way, weights in (("random", None), ("transfer", "imagenet")):
            keras.utils.set_random_seed(seed)
            found[way].append(evaluate(_solved(texts, weights)[0], rows).metrics["accuracy"])
    return {way: median(values) for way, values in found.items()}, found


def _read(texts: list[str], labels: list[str], seed: int) -> TextData:
    return sources.from_texts(texts, labels, tokenizer=ENCODER, length=16, validation_split=0.5, seed=seed)


def _rows(data: TextData, texts: list[str], labels: list[str]) -> tf.data.Dataset:
    """Returns batches of tokens and labels of other texts."""
    numbers = np.array([data.class_names.index(label) for label in labels])
    return tf.data.Dataset.from_tensor_slices((data.kind.decode_batch(tf.constant(texts)), numbers)).batch(64)


def _solved(
    texts: TextData, weights: str | None = "imagenet", verbose: int = 0
) -> tuple[keras.Model, keras.callbacks.History]:
    model = build_model(ENCODER, texts.num_classes, weights=weights)
    return model, fine_tune(model, texts, schedule="solve", verbose=verbose)


def _bag_of_words(texts: TextData, tested: Texts) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    labels = [texts.class_names[label] for label in texts.splits["train"].labels]
    classifier = make_pipeline(words, LogisticRegression(C=10, max_iter=1000))
    return float(classifier.fit(texts.texts("train"), labels).score(*tested))
