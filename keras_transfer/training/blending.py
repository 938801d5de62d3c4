"""interpolate and soup: one model whose weights are averages of those of several, chosen on validation images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._arguments import VERBOSE, Kind, takes
from keras_transfer._checks import DataError, DataWarning, InputError
from keras_transfer._identity import form_of
from keras_transfer._logging import say
from keras_transfer._memory import available_memory
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.insight.evaluation import Answers
from keras_transfer.models.averages import differ, moved_norms, set_average
from keras_transfer.models.batch_statistics import settle_batch_norm
from keras_transfer.models.copies import copy_model
from keras_transfer.models.origins import classes_of
from keras_transfer.models.stages import MODEL, check_one_way, layers_by_part, split, stages
from keras_transfer.tasks import Report, ValuesReport, task_of_model

SHARES = tuple(round(share / 10, 1) for share in range(11))
FEW = 20  # validation images, with fewer of which nothing is chosen
_MEMORY = 0.25  # share of what is free that activations of validation images may take


def _is_share(value: object) -> bool:
    return isinstance(value, Real) and 0 <= float(value) <= 1


MODELS = Kind(
    lambda value: (
        isinstance(value, (list, tuple)) and len(value) > 1 and all(isinstance(x, keras.Model) for x in value)
    ),
    "a list of two models or more",
)
DATA = Kind(LabelledData, "data of kt.data, such as from_directory returns")
SHARE = Kind(
    lambda value: isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_is_share, value)),
    "a list of numbers in [0, 1]",
)


@takes(before=MODEL, after=MODEL, data=DATA, shares=SHARE, verbose=VERBOSE)
def interpolate(
    before: keras.Model,
    after: keras.Model,
    data: LabelledData,
    *,
    shares: Sequence[float] = SHARES,
    verbose: str | int = "auto",
) -> keras.Model:
    """Returns a model between two: each weight is `(1 - share) * before + share * after`.

    The share has the smallest loss on the validation images. Between a model whose head alone was solved or trained
    and the same model fine-tuned there is often one that is better than both, and more robust: WiSE-FT, of Wortsman et
    al., "Robust fine-tuning of zero-shot models" (2022), section 3, https://arxiv.org/abs/2109.01903. Departure: the
    paper begins from a zero-shot head of CLIP.

    Args:
        before: a model of `build_model`, such as a copy from before fine-tuning.
        after: the same model with other weights.
        data: with a validation split. With fewer than 20 validation images nothing is chosen: the share is 0.5, with a
            warning. Where the statistics of BatchNorm layers differ, they are taken anew from the training images.
        shares: that are tried, in [0, 1].
        verbose: 0 to say nothing.

    Returns:
        A new plain model, which is not compiled. Neither of the two is changed.

    Raises:
        InputError: if the models do not have the same layers and classes.
        DataError: if there are no validation images.
    """
    blends = _Blends([before, after], data)
    if blends.too_few("The share is 0.5"):
        return blends.made((0.5, 0.5))
    losses = [blends.loss((1 - share, share)) for share in shares]
    best = int(np.argmin(losses))
    if verbose:
        say(f"interpolate: a share of {shares[best]:g} has the smallest validation loss, {losses[best]:.4f}")
    return blends.made((1 - shares[best], shares[best]))


@takes(models=MODELS, data=DATA, verbose=VERBOSE)
def soup(models: Sequence[keras.Model], data: LabelledData, *, verbose: str | int = "auto") -> keras.Model:
    """Returns a model with the average weights of those models whose average is best on the validation images.

    From the best model on, each next one is kept in the average if the validation loss does not rise: the greedy soup
    of Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
    increasing inference time" (2022), recipe 1, https://arxiv.org/abs/2203.05482. Departure: the loss decides in place
    of the accuracy, which is the same for many averages where images are few.

    Args:
        models: of `build_model`, fine-tuned from the same weights with other seeds or settings.
        data: with a validation split. With fewer than 20 validation images nothing is chosen: all models are averaged,
            with a warning. Where the statistics of BatchNorm layers differ, they are taken anew from the training
            images.
        verbose: 0 to say nothing.

    Returns:
        A new plain model, which is not compiled. None of the models is changed.

    Raises:
        InputError: if the models do not have the same layers.
        DataError: if there are no validation images.
    """
    blends = _Blends(models, data)
    count = len(models)
    if blends.too_few("All models are averaged"):
        return blends.made([1 / count] * count)

    def shares_of(kept: Sequence[int]) -> list[float]:
        return [(place in kept) / len(kept) for place in range(count)]

    alone = [blends.loss(shares_of([place])) for place in range(count)]
    order = np.argsort(alone, kind="stable").tolist()
    kept, smallest = order[:1], min(alone)
    for place in order[1:]:
        loss = blends.loss(shares_of([*kept, place]))
        if loss <= smallest:
            kept, smallest = [*kept, place], loss
    if verbose:
        say(f"soup: of {count} models {len(kept)} are averaged, with a validation loss of {smallest:.4f}")
    return blends.made(shares_of(kept))


def loss_of(report: Report | ValuesReport) -> float:
    """Returns what models are chosen by: the loss, or for values the root of the mean squared error."""
    return report.metrics["loss" if isinstance(report, Report) else "rmse"]


class _Blends:
    """Averages of the weights of models, and their losses on validation images.

    What comes before the first stage with weights that differ is computed once.
    """

    def __init__(self, models: Sequence[keras.Model], data: LabelledData):
        if "validation" not in data.splits:
            raise DataError("Expected data with a validation split, to choose by. Received: data without one.")
        for model in models:
            stages(model)
            check_one_way(model)
        self._data = data
        self._weights = [model.get_weights() for model in models]
        if len({form_of(model) for model in models}) > 1:
            raise InputError("Expected models with the same layers and settings. Received: models that differ in them.")
        if len({classes_of(model) for model in models} - {None}) > 1:
            names = [classes_of(model) for model in models]
            raise InputError(f"Expected models with the same classes in the same order. Received: {names}.")
        self._model = copy_model(models[-1])
        self._moved = moved_norms(self._model, self._weights)
        self._suffix, self._inputs = self._model, None
        first = self._first_that_differs(models)
        if first is not None and not self._moved:
            prefix, suffix = split(self._model, first)
            if self._fits(prefix):
                self._suffix, self._inputs = suffix, prefix.predict(_images(data, "validation"), verbose=0)

    def too_few(self, instead: str) -> bool:
        """Says whether there are too few validation images to choose by, with a warning of what is done instead."""
        count = len(self._data.splits["validation"])
        if count < FEW:
            said = f"{instead}: {count} validation images are too few to choose by; {FEW} are the least."
            warnings.warn(said, DataWarning, stacklevel=4)
        return count < FEW

    def made(self, shares: Sequence[float]) -> keras.Model:
        """Returns the model with these shares of all models' weights."""
        self._set(shares)
        return self._model

    def loss(self, shares: Sequence[float]) -> float:
        """Returns the loss on the validation images; infinite for a model that diverged."""
        self._set(shares)
        if self._inputs is None:
            answers = Answers.on(self._model, self._data.validation)
        else:
            outputs = self._suffix.predict(self._inputs, batch_size=self._data.batch_size, verbose=0)
            labels, names = self._data.splits["validation"].labels, self._data.class_names
            answers = Answers.of(outputs, labels, names, task_of_model(self._model), classes_of(self._model))
        if not np.isfinite(answers.outputs).all():
            return float("inf")
        return loss_of(answers.report())

    def _set(self, shares: Sequence[float]) -> None:
        set_average(self._model, self._weights, shares)
        if self._moved and max(shares) < 1:
            settle_batch_norm(self._model, _images(self._data, "train"), verbose=0, norms=self._moved)

    def _first_that_differs(self, models: Sequence[keras.Model]) -> str | None:
        """Returns the first part with weights that differ; None if it is the first of all."""
        parts = [layers_by_part(model) for model in models]
        names = list(parts[0])
        for name in names:
            if differ([weight for layer in part[name] for weight in layer.weights] for part in parts):
                return name if name != names[0] else None
        return names[-1]

    def _fits(self, prefix: keras.Model) -> bool:
        (height, width), channels = getattr(self._data, "image_size", (None, None)), self._model.input_shape[-1]
        if height is None:
            return False
        shapes = keras.tree.flatten(prefix.compute_output_spec(keras.KerasTensor((1, height, width, channels))))
        size = sum(int(np.prod(each.shape)) for each in shapes) * 4 * len(self._data.splits["validation"])
        return size <= _MEMORY * available_memory()


def _images(data: LabelledData, split: str) -> tf.data.Dataset:
    return data.in_order(split).map(lambda images, labels: images)
