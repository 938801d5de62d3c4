"""Asking a model: its outputs for labelled examples, batch by batch, by the engine that is worth it."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.data.pixels.views import Views, over_views
from keras_transfer.engines import Runner
from keras_transfer.engines.choosing import TENSORFLOW
from keras_transfer.insight.batches import batches_of, check_images
from keras_transfer.models.origins import check_range
from keras_transfer.models.stages import check_one_way

_WORTH = 6.0  # seconds of work from which another engine is tried


def answered(
    model: keras.Model, dataset: Any, steps: int | None, engine: str, views: str | Views | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the outputs of a model and the labels, batch by batch.

    Raises:
        InputError: if the model or the dataset has another form.
        DataError: if there are no images.
    """
    if len(getattr(model, "outputs", None) or [None]) > 1:
        check_one_way(model)
    check_range(model, getattr(dataset, "pixel_range", None))
    predict, empty = _Predict(model, engine, _batches_in(dataset, steps)), True
    for images, labels in batches_of(dataset, model, steps):
        if empty:
            check_images(images, model)
        empty = False
        yield np.asarray(over_views(predict, images, views)), labels
    if empty:
        raise DataError("Expected images to evaluate on. Received: an empty dataset.")


class _Predict:
    """Outputs of a model, by the engine that is worth it for a number of batches.

    Args:
        model: the model.
        engine: that is asked for.
        batches: number of batches; 0 where it is not known.
    """

    def __init__(self, model: keras.Model, engine: str, batches: int):
        self._model, self._engine, self._left = model, engine, batches
        self._calls = 0
        self._run = None if engine in ("auto", TENSORFLOW) else Runner(model, 0, engine, None)

    def __call__(self, images: Any) -> np.ndarray:
        """Returns the outputs for a batch."""
        if self._run is not None:
            return self._run(images)[0]
        begun = perf_counter()
        found = np.asarray(self._model.predict_on_batch(images))
        self._calls, self._left = self._calls + 1, self._left - 1
        # the first call traces; the second tells how long the others will take
        if self._calls == 2 and self._engine == "auto" and (perf_counter() - begun) * self._left > _WORTH:
            self._run = Runner(self._model, self._left * len(found), self._engine, None)
        return found


def _batches_in(dataset: Any, steps: int | None) -> int:
    """Returns the number of batches in a dataset; 0 where it is not known."""
    if steps is not None:
        return steps
    if isinstance(dataset, tf.data.Dataset):
        return max(int(dataset.cardinality()), 0)
    return len(dataset) if isinstance(dataset, keras.utils.PyDataset) else 0
