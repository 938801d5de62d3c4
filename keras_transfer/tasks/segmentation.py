"""Segmentation: one class a pixel, such as road, car or sky."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer.tasks.mask_report import MaskCounts, MaskReport
from keras_transfer.tasks.places import OnePerPlace
from keras_transfer.tasks.several_labels import UNKNOWN
from keras_transfer.tasks.task import TASKS

_SMALL = np.iinfo(np.int8).max


class Segmentation(OnePerPlace):
    """One class a pixel. Outputs are float `(count, height, width, num_classes)`, which sum to 1 at each pixel.

    Labels are int `(count, height, width, 1)`, and -1 where there is none.
    """

    name = "segmentation"
    axes = 2
    described = "one class for each pixel of"
    form = "integers from 0, or -1 for none ({count}, height, width, 1)"
    said_of_labels = "one class a pixel"
    counting = MaskCounts
    apart = True
    limits = ("It gives every pixel one of its classes, also where the picture shows none of them.",)

    def standardised(self, labels: np.ndarray) -> np.ndarray:
        """Returns the labels in the smallest type of whole numbers that holds them, since there are many."""
        checked = super().standardised(labels)
        return checked.astype(np.int8 if checked.max(initial=0) <= _SMALL else np.int16)

    def in_words(self, label: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        """Returns the classes in an image, those of the most pixels first."""
        numbers, counts = np.unique(label[label != UNKNOWN], return_counts=True)
        return tuple(class_names[int(number)] for number in numbers[np.argsort(-counts, kind="stable")])

    def balanced_weights(self, labels: np.ndarray) -> dict[int, float]:
        """Returns the weight of each class that makes all weigh the same, by their pixels."""
        counts = np.bincount(labels[labels != UNKNOWN].ravel())
        there = np.flatnonzero(counts)
        weights = counts.sum() / (len(there) * counts[there])
        return {int(number): float(weight) for number, weight in zip(there, weights, strict=True)}

    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> MaskReport:
        counts = MaskCounts(class_names)
        counts.add(outputs, labels)
        return counts.report()

    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the number of the class of each pixel, and its probabilities."""
        return {"class_ids": tf.argmax(outputs, axis=-1), self.output: outputs}

    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return self.in_words(outputs.argmax(axis=-1), class_names)


TASKS.register(Segmentation.name)(Segmentation())
