"""Tagging: one tag a word of a text, such as whether it belongs to the name of a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer.tasks.places import PLACE, OnePerPlace, known_places
from keras_transfer.tasks.several_labels import UNKNOWN
from keras_transfer.tasks.spans import OUTSIDE, mark_spans, require_seqeval
from keras_transfer.tasks.tag_report import TagReport
from keras_transfer.tasks.task import TASKS


class Tagging(OnePerPlace):
    """One tag a word. Outputs are float `(count, length, num_tags)`, probabilities that sum to 1 for each token.

    Labels are int `(count, length, 1)`: the tag of a word at its first token, and -1 at other tokens, at those that
    begin and end a text, and where there is none.
    """

    name = "tagging"
    axes = 1
    described = "one tag for each word of"
    form = "integers from 0, or -1 for none ({count}, length, 1)"
    said_of_labels = "one tag a word"
    limits = ("A word is what stands between blanks; one that touches a comma is tagged together with it.",)

    def in_words(self, label: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        """Returns the tags in a text, each once, in their order; "O" only where there is no other."""
        return _different([class_names[int(tag)] for tag in label.ravel() if tag != UNKNOWN])

    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> TagReport:
        of_words = PLACE.report(*known_places(outputs, labels), class_names)
        metrics = dict(of_words.metrics)
        spans: dict[str, dict[str, float]] = {}
        if mark_spans(class_names):
            overall, spans = _spans(outputs, labels, class_names)
            metrics |= overall
        found = {**vars(of_words), "metrics": metrics}
        return TagReport(**found, texts=len(labels), spans=spans)

    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the tag of each word and its probabilities; where outputs are all 0 there is none: -1 and ""."""
        there = tf.reduce_any(outputs > 0, axis=-1)
        ids = tf.argmax(outputs, axis=-1)
        names = tf.where(there, tf.gather(class_names, ids), "")
        return {"class_names": names, "class_ids": tf.where(there, ids, UNKNOWN), self.output: outputs}

    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        there = outputs[outputs.any(axis=-1)]
        return _different([class_names[int(tag)] for tag in there.argmax(axis=-1)])


def _spans(
    outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Returns precision, recall and F1 over all spans, and those of each kind with its number."""
    require_seqeval()
    from seqeval.metrics import classification_report

    names, known = np.array(class_names, dtype=object), labels[..., 0] != UNKNOWN
    true = [names[row[there]].tolist() for row, there in zip(labels[..., 0], known, strict=True)]
    said = [names[row[there]].tolist() for row, there in zip(outputs.argmax(axis=-1), known, strict=True)]
    if not any(tag != OUTSIDE for row in (*true, *said) for tag in row):
        return {}, {}
    found = classification_report(true, said, output_dict=True, zero_division=0)
    rows = {
        kind: {key.removesuffix("-score"): float(value) for key, value in row.items()}
        for kind, row in found.items()
        if not kind.endswith(" avg")
    }
    overall = {key.removesuffix("-score"): float(value) for key, value in found["micro avg"].items()}
    return {f"span_{key}": overall[key] for key in ("precision", "recall", "f1")}, rows


def _different(tags: Sequence[str]) -> tuple[str, ...]:
    others = tuple(dict.fromkeys(tag for tag in tags if tag != OUTSIDE))
    return others or tuple(dict.fromkeys(tags))


TASKS.register(Tagging.name)(Tagging())
