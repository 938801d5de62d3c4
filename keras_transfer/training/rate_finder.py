"""find_learning_rate: a short trial run with increasing learning rates, which leaves the model unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers import MultiOptimizer, Optimizer

from keras_transfer._arguments import VERBOSE, Number, Whole, takes
from keras_transfer._checks import InputError
from keras_transfer._keras.leaves import inner_optimizer, without_state
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.freezing import unfrozen_as
from keras_transfer.models.stages import MODEL, check_one_way
from keras_transfer.plots.curves import plot_rates
from keras_transfer.schedules.parts import HEAD, UNFROZEN, Unfrozen
from keras_transfer.tasks import task_of_model
from keras_transfer.training.options import OPTIMIZER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMOOTHING = 0.9
_DIVERGED = 4.0  # the run stops at this multiple of the best loss


@dataclass(frozen=True, eq=False)
class RateCurve:
    """The loss at each learning rate of a trial run.

    Attributes:
        rates: the learning rates of the run in ascending order, float `(steps,)`.
        losses: the loss at each, an exponential moving average over about ten steps, float `(steps,)`.
        suggestion: the learning rate at which the loss falls fastest.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float

    def plot(self) -> Figure:
        """Plots the loss over the learning rate."""
        return plot_rates(self.rates.tolist(), self.losses.tolist(), self.suggestion)

    def __str__(self) -> str:
        return (
            f"learning rate {self.suggestion:.2g}: there the loss falls fastest "
            f"(tried {self.rates[0]:.2g} to {self.rates[-1]:.2g})"
        )


@takes(
    model=MODEL,
    unfrozen=UNFROZEN,
    optimizer=OPTIMIZER,
    lowest=Number(0, above=True),
    highest=Number(0, above=True),
    steps=Whole(20),
    verbose=VERBOSE,
)
def find_learning_rate(
    model: keras.Model,
    data: LabelledData | tf.data.Dataset,
    *,
    unfrozen: Unfrozen = HEAD,
    optimizer: str | Optimizer = "adam",
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    verbose: int = 1,
) -> RateCurve:
    """Trains for some steps with increasing learning rates, and suggests a learning rate.

    Afterwards the model, the optimizer and the order of ImageData are exactly as before. This is the learning-rate
    range test of Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3,
    https://arxiv.org/abs/1506.01186. Departure: the rates grow by a constant factor instead of a constant difference.
    The run ends early if the smoothed loss exceeds four times its lowest value.

    Args:
        model: a model made by `build_model`, compiled or not. If it is not compiled, the default loss of `fine_tune` is
            used.
        data: images with labels, or a dataset of batches of images and labels.
        unfrozen: the parts to train; see `set_trainable`.
        optimizer: name or object, whose settings are used. An object is not changed.
        lowest: the first learning rate, above 0.
        highest: the last learning rate, above `lowest`.
        steps: number of batches, 20 or more.
        verbose: 0 for no progress bar.

    Returns:
        The learning rates, the losses, and the suggested learning rate.

    Raises:
        InputError: if a value is out of range, the optimizer is a MultiOptimizer, or there are fewer than ten batches
            with a finite loss.
    """
    if highest <= lowest:
        raise InputError(f"Expected `highest` above `lowest`. Received: {lowest} to {highest}.")
    if isinstance(data, LabelledData):
        check_one_way(model)
    chosen = inner_optimizer(keras.optimizers.get(optimizer))
    if isinstance(chosen, MultiOptimizer):
        raise InputError("Expected one optimizer, whose rate is to be found. Received: a MultiOptimizer.")
    rates = np.geomspace(lowest, highest, steps)
    epoch = data.epoch if isinstance(data, LabelledData) else 0
    batches = data.train if isinstance(data, LabelledData) else data
    before = [variable.numpy() for variable in model.variables]
    try:
        with unfrozen_as(model, unfrozen), model.distribute_strategy.scope():
            twin = keras.Model(model.inputs, model.outputs)  # shares weights, but not optimizer and metrics
            twin.compile(
                optimizer=without_state(chosen, learning_rate=lowest),
                loss=model.loss or _loss(model, batches.element_spec[1]),
            )
            losses = _losses(twin, batches.repeat(), rates, verbose)
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
        if isinstance(data, LabelledData):
            data.start_epoch(epoch)
    return RateCurve(rates[: len(losses)], losses, _steepest(rates, losses))


def _losses(model: keras.Model, batches: tf.data.Dataset, rates: np.ndarray, verbose: int) -> np.ndarray:
    progress = keras.utils.Progbar(len(rates), verbose=verbose)
    smoothed: list[float] = []
    mean = 0.0
    for step, (rate, (images, labels, *_)) in enumerate(zip(rates, batches, strict=False), start=1):
        model.optimizer.learning_rate = rate
        model.reset_metrics()
        loss = float(model.train_on_batch(images, labels))
        if not np.isfinite(loss):
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smoothed.append(mean / (1 - _SMOOTHING**step))
        progress.update(step, [("loss", loss)], finalize=step == len(rates))
        if smoothed[-1] > _DIVERGED * min(smoothed):
            break
    if len(smoothed) < 10:
        raise InputError(
            f"Expected ten batches or more with a loss that is a number. Received: {len(smoothed)}. "
            "Are there images, and is `lowest` low enough?"
        )
    return np.array(smoothed)


def _steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Returns the rate at which the loss falls fastest, before its minimum and after the first five, noisy steps."""
    upto = max(int(losses.argmin()), 6)
    slopes = np.gradient(losses[: upto + 1], np.log(rates[: upto + 1]))
    return float(rates[5 + slopes[5:].argmin()])


def _loss(model: keras.Model, labels: tf.TensorSpec) -> str | keras.losses.Loss:
    task = task_of_model(model)
    if task is None:
        raise InputError("Expected a compiled model, or one whose last layer has an activation. Received: neither.")
    return task.loss(labels)
