"""UnfreezeSchedule: a schedule's phases inside one `model.fit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_transfer._checks import InputError
from keras_transfer.freezing import first_open, set_trainable
from keras_transfer.models import stages
from keras_transfer.schedules import Phase, Schedule, plan, starts


class UnfreezeSchedule(keras.callbacks.Callback):
    """Opens stages and sets the learning rate at the epochs a schedule says, while one `fit` runs.

    There is nothing else to call: when training begins it gives the optimizer room for all variables and freezes for
    the first phase. There is one History, and the state of other callbacks and of the optimizer goes on through all
    phases. A learning rate that is a schedule object of Keras is left alone. After the last phase of the schedule its
    state goes on to the end of `fit`; the model stays as the last phase left it.

    Args:
        schedule: name in `kt.available("schedule")`, a function of the same form, or a tuple of `Phase`.
        epochs: number of epochs the schedule shares out; needed with a name.
        learning_rate: rate of the first phase; needed with a name.
        train_batch_norm: also train BatchNorm in open stages; see `set_trainable`.

    Raises:
        InputError: for an unknown name; when training begins, for a model not made by `build_model` or a phase that
            opens a stage the model has not.

    Example:
        >>> callback = UnfreezeSchedule("gradual", epochs=9, learning_rate=1e-3)
    """

    def __init__(
        self,
        schedule: str | Schedule | Sequence[Phase],
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        train_batch_norm: bool = False,
    ):
        super().__init__()
        plan(schedule, epochs, learning_rate, ("stage",))  # a wrong name or number is an error now, not in `fit`
        self.schedule = schedule
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.train_batch_norm = train_batch_norm
        self.phases: tuple[Phase, ...] = ()
        self._current: int | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        names = stages(self.model)
        self.phases = plan(self.schedule, self.epochs, self.learning_rate, names)
        for phase in self.phases:
            first_open(names, phase.unfrozen)
            if phase.layer_decay != 1:
                raise InputError(f"Expected layer_decay=1 in the phases of UnfreezeSchedule. Received: {phase}.")
        if getattr(self.model.optimizer, "use_ema", False):
            raise InputError(
                "Expected an optimizer without use_ema=True: Keras matches its averages with the variables that are "
                "trainable at the end of fit by position, and stages change them. Received: "
                f"{type(self.model.optimizer).__name__}(use_ema=True)."
            )
        self._current = None
        set_trainable(self.model, "all", train_batch_norm=self.train_batch_norm)
        fit_optimizer(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        index = self.phase_index(epoch)
        if index == self._current:
            return
        self._current = index
        phase = self.phases[index]
        set_trainable(self.model, phase.unfrozen, train_batch_norm=self.train_batch_norm)
        self.model.make_train_function(force=True)
        if not has_rate_schedule(self.model.optimizer):
            self.model.optimizer.learning_rate = phase.learning_rate

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        fit_optimizer(self.model)  # Keras reloads an optimizer only if it fits what is trainable

    def phase_index(self, epoch: int) -> int:
        """Returns the number of the phase that an epoch, counted from 0, belongs to."""
        later = [index for index, start in enumerate(starts(self.phases)[:-1]) if start <= epoch]
        return later[-1]


def fit_optimizer(model: keras.Model) -> None:
    """Gives the optimizer of a compiled model state for exactly the variables that are trainable now.

    Keras builds an optimizer once, for what is trainable then, and can neither extend it nor save it with more or
    less. An optimizer that was built for other variables is replaced by an equal one; what both have is carried over.
    """
    optimizer, variables = model.optimizer, model.trainable_variables
    if not optimizer.built:
        optimizer.build(variables)
        return
    if [id(variable) for variable in optimizer._trainable_variables] == [id(variable) for variable in variables]:
        return
    known = {id(variable) for variable in optimizer._trainable_variables}
    ours = any(id(variable) in known for variable in variables)  # not an optimizer that trained another model
    state = {variable.path: variable.numpy() for variable in optimizer.variables} if ours else {}
    optimizer = model.optimizer = type(optimizer).from_config(optimizer.get_config())
    optimizer.build(variables)
    for variable in optimizer.variables:
        if variable.path in state:
            variable.assign(state[variable.path])
    model.train_function = None  # it was traced with the optimizer that is gone


def has_rate_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Says whether the learning rate is a schedule object, which Keras does not let us set."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return isinstance(inner._learning_rate, keras.optimizers.schedules.LearningRateSchedule)
