"""Texts with a real encoder: accuracy by the number of labels, and the speed of a frozen phase. Writes texts.md.

`python benchmarks/texts.py` trains MiniLM (22.7 million parameters) on reviews of films (SST-2) beside random weights,
a bag of words and KerasHub's own classifier, three seeds each. Runs are kept in `texts_runs.jsonl` and not done again.
`--page` only writes the page.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import time
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from quality import ARGUMENTS, DATA, WEIGHTS, machine
from runs import Runs

import keras_transfer as kt

HERE = Path(__file__).parent
RUNS = Runs(HERE / "texts_runs.jsonl")
ENCODER = WEIGHTS / "minilm_l6"
SEEDS = range(3)
LENGTH = 64
EPOCHS, TIMED = 20, 1000  # of the frozen phase that is timed, and its sentences
HEADER = """
`python benchmarks/texts.py` makes this page; its code is the protocol. Sentences of film reviews (SST-2) are drawn from
the 6,920 of the training part, half of each class, of which a fifth is validation; accuracy is on the 872 of the other
part, medians over the draws, with the least and the most. The encoder is all-MiniLM-L6-v2 (BERT, 6 blocks, 384 wide).
"Random" is the same network with random weights, its head solved; the bag of words is TF-IDF of words and pairs with a
logistic regression whose penalty cross-validation chooses.
""".strip()


def sentences(part: str) -> tuple[list[str], list[str]]:
    """Returns the sentences and labels of a part."""
    rows = [line.split("\t") for line in (DATA / "sst2" / f"{part}.tsv").read_text(encoding="utf-8").splitlines()]
    return [text for text, _ in rows], [label for _, label in rows]


def drawn(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Returns so many sentences, half of each class."""
    texts, labels = sentences("train")
    rng, of_class = np.random.default_rng(seed), np.array(labels)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(of_class == name))[: count // 2] for name in "01"])
    return [texts[index] for index in chosen], [labels[index] for index in chosen]


def data_of(texts: list[str], labels: list[str]) -> kt.data.TextData:
    """Returns texts in the form of the encoder."""
    return kt.data.from_texts(texts, labels, tokenizer=ENCODER, length=LENGTH, batch_size=16)


def accuracy(model: keras.Model) -> float:
    """Returns the share of right answers on the held-out part."""
    texts, labels = sentences("dev")
    data = data_of(texts, labels)
    shares = [kt.evaluate(model, part).metrics["accuracy"] for part in (data.train, data.validation)]
    return float(np.average(shares, weights=[len(data.splits[split]) for split in ("train", "validation")]))


def ours(count: int, seed: int, recipe: str, weights: str | None = "imagenet") -> dict[str, Any]:
    """Trains the encoder by a recipe."""
    model, data = kt.build_model(ENCODER, 2, weights=weights), data_of(*drawn(count, seed))
    kt.fine_tune(model, data, verbose=0, **({"schedule": "solve"} if recipe == "solve" else {"recipe": recipe}))
    return {"accuracy": accuracy(model)}


def bag_of_words(count: int, seed: int) -> dict[str, Any]:
    """Fits a logistic regression on words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline

    made = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegressionCV(max_iter=1000))
    return {"accuracy": float(made.fit(*drawn(count, seed)).score(*sentences("dev")))}


WAYS = {
    "bag of words": bag_of_words,
    "random, solved head": lambda count, seed: ours(count, seed, "solve", None),
    "solved head": lambda count, seed: ours(count, seed, "solve"),
    'recipe="default"': lambda count, seed: ours(count, seed, "default"),
    'recipe="ulmfit"': lambda count, seed: ours(count, seed, "ulmfit"),
}


def theirs() -> float:
    """Seconds of KerasHub's classifier as its guide has it, with the encoder frozen; tokens are made before."""
    texts, labels = drawn(TIMED, 0)
    network = keras_hub.models.BertBackbone.from_preset(str(ENCODER))
    network.trainable = False
    tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(str(ENCODER))
    preprocess = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=LENGTH)
    batches = tf.data.Dataset.from_tensor_slices((texts, np.array(labels, int))).batch(16).map(preprocess).cache()
    classifier = keras_hub.models.BertTextClassifier(network, num_classes=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    begin = time.perf_counter()
    classifier.fit(batches, epochs=EPOCHS, verbose=0)
    return time.perf_counter() - begin


def cached() -> float:
    """Seconds of our frozen phase: one pass, and the head on what it gave."""
    texts, labels = drawn(TIMED, 0)
    data = kt.data.from_texts(texts, labels, tokenizer=ENCODER, length=LENGTH, batch_size=16, validation_split=0.01)
    model = kt.build_model(ENCODER, 2)
    begin = time.perf_counter()
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=EPOCHS, cache=kt.Cache("memory"), verbose=0)
    return time.perf_counter() - begin


def timed(seed: int) -> dict[str, Any]:
    """Times both, one after the other."""
    seconds = {"keras_hub": theirs(), "keras_transfer": cached()}
    return {"times": seconds, "accuracy": seconds["keras_hub"] / seconds["keras_transfer"]}


def page() -> str:
    """Returns the page of all runs that are there."""
    known = RUNS.known()
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    draws = len({row["seed"] for row in known})
    made = f"Made on {date.today()} on {facts}. Draws so far: {draws} of {len(SEEDS)}."
    lines = ["# Texts with a real encoder", "", HEADER, "", made, ""]
    counts = sorted({row["labels"] for row in known if "labels" in row})
    lines += ["| accuracy | " + " | ".join(f"{count // 2} a class" for count in counts) + " |"]
    lines += ["|---|" + "---|" * len(counts)]
    for way in WAYS:
        cells = []
        for count in counts:
            found = [row["accuracy"] for row in known if row.get("way") == way and row["labels"] == count]
            cells.append(f"{median(found):.3f} ({min(found):.3f} to {max(found):.3f})" if found else "")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    rows = [row["times"] for row in known if "times" in row]
    if rows:
        theirs, ours = (median(row[name] for row in rows) for name in ("keras_hub", "keras_transfer"))
        ratio = median(row["keras_hub"] / row["keras_transfer"] for row in rows)
        lines += [
            "",
            f"{EPOCHS} epochs of the head on {TIMED:,} sentences, encoder frozen: KerasHub's `BertTextClassifier` with "
            f"tokens made before and kept, {theirs:.1f} s; here with the pass through the encoder, {ours:.1f} s; "
            f"{ratio:.1f} times faster, the median of {len(rows)} pairs in one process.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what is missing, and writes the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--page", action="store_true", help="only write the page")
    arguments.add_argument("--counts", type=int, nargs="*", default=[100, 1000], help="labels in all")
    given = arguments.parse_args(ARGUMENTS)
    if not given.page:
        for seed in SEEDS:
            for count in given.counts:
                for way, run in WAYS.items():
                    RUNS.once({"labels": count, "way": way, "seed": seed}, partial(run, count, seed))
            RUNS.once({"timed": "frozen head", "seed": seed}, partial(timed, seed))
    (HERE / "texts.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
