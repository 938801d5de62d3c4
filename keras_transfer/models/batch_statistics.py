"""Recomputes the statistics of BatchNorm layers from images: those of another domain, or of averaged weights."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_transfer._checks import InputError
from keras_transfer.models.averages import batch_norms
from keras_transfer.models.freezing import everything_still


def settle_batch_norm(
    model: keras.Model,
    images: tf.data.Dataset,
    verbose: str | int = "auto",
    norms: Sequence[layers.BatchNormalization] | None = None,
) -> int:
    """Sets mean and variance of BatchNorm layers of a model to those of images, and changes nothing else.

    Args:
        model: a model whose BatchNorm layers may be frozen.
        images: batches of images.
        verbose: 0 for no progress bar.
        norms: the layers; by default all of the model.

    Returns:
        The number of BatchNorm layers.

    Raises:
        InputError: if the model has no BatchNorm, or there are no images.
    """
    norms = batch_norms(model) if norms is None else norms
    if not norms:
        raise InputError(
            "Expected a model with BatchNorm for 'adabn', which changes its statistics. Received: a model without."
        )
    before = [
        (norm, norm.trainable, norm.momentum, norm.moving_mean.numpy(), norm.moving_variance.numpy()) for norm in norms
    ]
    means: list[list[np.ndarray]] = [[] for _ in norms]
    variances: list[list[np.ndarray]] = [[] for _ in norms]
    counts: list[int] = []
    try:
        with everything_still(model, except_for=norms):
            for norm in norms:
                norm.trainable, norm.momentum = True, 0.0  # the moving statistics become those of the batch
            run = tf.function(lambda batch: model(batch, training=True), reduce_retracing=True)
            total = int(images.cardinality())
            progress = keras.utils.Progbar(
                total if total > 0 else None, verbose=1 if verbose == "auto" else int(verbose)
            )
            for step, batch in enumerate(images, start=1):
                run(batch)
                counts.append(int(batch.shape[0]))
                for place, norm in enumerate(norms):
                    means[place].append(norm.moving_mean.numpy())
                    variances[place].append(norm.moving_variance.numpy())
                progress.update(step)
        if not counts:
            raise InputError("Expected images to take statistics from. Received: none.")
        found = [pooled(mean, variance, counts) for mean, variance in zip(means, variances, strict=True)]
    finally:
        for norm, trainable, momentum, mean, variance in before:
            norm.trainable, norm.momentum = trainable, momentum
            norm.moving_mean.assign(mean)
            norm.moving_variance.assign(variance)
    for norm, (mean, variance) in zip(norms, found, strict=True):
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)
    return len(norms)


def pooled(
    means: Sequence[np.ndarray], variances: Sequence[np.ndarray], counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance `(channels,)` of a whole set, given those of its batches.

    The variance of the whole set is the mean of the variances plus the variance of the means.

    Args:
        means: mean of each batch, `(channels,)`.
        variances: variance of each batch, `(channels,)`, with the size of the batch as divisor.
        counts: size of each batch.

    Example:
        >>> mean, variance = pooled([np.array([1.0]), np.array([4.0])], [np.array([1.0]), np.array([0.0])], [2, 1])
        >>> mean.tolist(), variance.tolist()  # the set is 0, 2, 4
        ([2.0], [2.6666666666666665])
    """
    shares = np.array(counts, float)[:, None] / sum(counts)
    mean = (shares * np.stack(means)).sum(axis=0)
    variance = (shares * (np.stack(variances) + (np.stack(means) - mean) ** 2)).sum(axis=0)
    return mean, variance
