"""How far two sets of images are apart, as a network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.image_data import ImageData
from keras_transfer.plots.points import plot_two_sets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Shift:
    """The result of `compare`.

    Attributes:
        distance: proxy A-distance in [0, 2]: 0 if the sets cannot be told apart, 2 if always.
        accuracy: balanced accuracy in [0, 1] of the classifier that tells them apart, on images it has not seen.
        p_value: probability of so many right answers if the sets were the same.
        first: features float32 `(count, features)` of the first set.
        second: the same of the second set.
    """

    distance: float
    accuracy: float
    p_value: float
    first: np.ndarray
    second: np.ndarray

    def plot(self) -> Figure:
        """Draws both sets along the two directions in which they spread most (principal components)."""
        from sklearn.decomposition import PCA

        places = PCA(2, random_state=0).fit_transform(np.concatenate([self.first, self.second]))
        title = f"proxy A-distance {self.distance:.2f}"
        return plot_two_sets(places[: len(self.first)], places[len(self.first) :], title)

    def __str__(self) -> str:
        return (
            f"proxy A-distance {self.distance:.2f} of 2: a linear classifier tells {len(self.first)} and "
            f"{len(self.second)} images apart with accuracy {self.accuracy:.3f} (p = {self.p_value:.2g} if they were "
            "the same)"
        )


def compare(
    first: ImageData | tf.data.Dataset, second: ImageData | tf.data.Dataset, model: keras.Model, *, seed: int = 0
) -> Shift:
    """Says how far two sets of images are apart in the features of a network.

    A linear classifier learns to tell the sets apart, and its error on images that it has not seen, by 5-fold
    cross-validation, gives the proxy A-distance 2 (1 - 2 error): Ben-David, Blitzer, Crammer and Pereira, "Analysis of
    Representations for Domain Adaptation" (2007), section 4, https://papers.nips.cc/paper/2983. Departure: the error
    is the mean of both sets' errors, so that sets of different size can be compared. The p-value is that of the
    classifier two-sample test: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests" (2017), section 3,
    https://arxiv.org/abs/1610.06545, on as many images of each set as the smaller one has.

    Args:
        first: images, of which those of training are taken; or batches of images in [0, 255], with or without labels.
        second: the same.
        model: a model made by `build_model`, or any with a layer "features".
        seed: of the folds.

    Raises:
        InputError: if a set has fewer than 10 images, or the model has no layer "features".
    """
    if not any(layer.name == "features" for layer in model.layers):
        raise InputError("Expected a model made by build_model, with a layer 'features'. Received: one without it.")
    network = keras.Model(model.inputs, model.get_layer("features").output)
    return shift_of(_features(network, first), _features(network, second), seed)


def shift_of(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Shift:
    """Says how far two sets of features `(count, features)` are apart, as `compare` does.

    Raises:
        InputError: if a set has fewer than 10 rows.
    """
    from scipy.stats import binomtest
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sets = [first, second]
    fewest = min(map(len, sets))
    if fewest < 2 * _FOLDS:
        raise DataError(f"Expected {2 * _FOLDS} images or more in each set. Received: {fewest}.")
    labels = np.repeat([0, 1], list(map(len, sets)))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    right = cross_val_predict(classifier, np.concatenate(sets), labels, cv=folds) == labels
    accuracy = float(np.mean([right[labels == label].mean() for label in (0, 1)]))
    tested = 2 * fewest
    p_value = binomtest(round(accuracy * tested), tested, 0.5, alternative="greater").pvalue
    return Shift(max(0.0, 2 * (2 * accuracy - 1)), accuracy, float(p_value), *sets)


def _features(network: keras.Model, images: ImageData | tf.data.Dataset) -> np.ndarray:
    batches = images.in_order("train") if isinstance(images, ImageData) else images
    found = [np.asarray(network.predict_on_batch(batch[0] if isinstance(batch, tuple) else batch)) for batch in batches]
    if not found:
        raise DataError("Expected images. Received: a dataset without any.")
    every = np.concatenate(found)
    return every.mean(axis=tuple(range(1, every.ndim - 1)))  # of maps and tokens, over all places
