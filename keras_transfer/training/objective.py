"""Objective: the loss and the metrics that a model is trained with, and those that it is saved with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.tasks import Task
from keras_transfer.training.balancing import adjusted
from keras_transfer.training.known_labels import metrics_over_known, over_known
from keras_transfer.training.label_form import named_metrics
from keras_transfer.training.options import Options
from keras_transfer.training.part_losses import over_parts


@dataclass(frozen=True, eq=False)
class Objective:
    """What a model is compiled with, as a whole and in parts: its loss and metrics.

    Attributes:
        loss: name or object.
        metrics: those shown beside it.
        saved: loss and metrics of Keras that a saved model has instead, since a file must load without this package.
    """

    loss: str | keras.losses.Loss | Callable[[Any, Any], Any]
    metrics: Sequence[Any]
    saved: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        options: Options,
        labels: Any = None,
        *,
        known: bool = True,
        log_priors: np.ndarray | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> Objective:
        """Returns the objective of a task, with the loss and metrics of the options in place of its own.

        Args:
            task: that is trained for.
            options: of the training.
            labels: their spec in batches.
            known: all of them; otherwise loss and metrics pass over those that are not.
            log_priors: what the loss adds to the logits, for the loss of the task; see `adjusted`.
            class_weight: weight of the parts of each class, which `fit` cannot weigh; None where `fit` weighs.
        """
        loss: Any = options.loss or task.loss(labels)
        if isinstance(loss, (list, tuple)) and not task.axes:
            raise InputError(f"Expected one `loss` for {task.said_of_labels}. Received: a list of {len(loss)}.")
        if task.axes:  # some tokens have no label; Keras' accuracy would count them as wrong
            saved = {"loss": keras.saving.serialize_keras_object(task.loss(labels)), "metrics": None}
            metrics = metrics_over_known(task.metrics if options.metrics is None else options.metrics, of_parts=True)
            return cls(over_parts(loss, class_weight), metrics, saved)
        metrics = named_metrics(task.metrics if options.metrics is None else options.metrics)
        if known and log_priors is None:
            return cls(loss, metrics)
        plain = (
            keras.saving.serialize_keras_object(loss),
            [keras.saving.serialize_keras_object(each) for each in metrics],
        )
        saved = dict(zip(("loss", "metrics"), plain, strict=True))
        if log_priors is not None:
            return cls(adjusted(loss, log_priors), metrics, saved)
        return cls(over_known(loss), metrics_over_known(metrics), saved)

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int = 1) -> None:
        """Compiles a model, to run a number of steps in one execution."""
        model.compile(optimizer=optimizer, loss=self.loss, metrics=list(self.metrics), steps_per_execution=steps)
        if self.saved is not None:
            _save_as(model, self.saved)


def _save_as(model: keras.Model, saved: Mapping[str, Any]) -> None:
    """Makes a compiled model save other settings than those it is compiled with, until it is compiled anew."""
    of_keras, compiled = type(model).get_compile_config, model.loss

    def get_compile_config() -> dict[str, Any]:
        found = of_keras(model)
        return {**found, **saved} if found and model.loss is compiled else found

    model.get_compile_config = get_compile_config
