"""UnfreezeSchedule: a callback that runs the phases of a schedule in one `model.fit`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
from keras.callbacks import EarlyStopping
from keras.optimizers import MultiOptimizer

from keras_transfer._arguments import Kind, Part, takes
from keras_transfer._checks import DataWarning, InputError
from keras_transfer._keras.joining import open_variables
from keras_transfer._keras.leaves import inner_optimizer, leaves
from keras_transfer._keras.refitting import PROGRESS, fit_optimizer, split_optimizer, was_built_for
from keras_transfer._keras.trainer import forget_restored_epoch, restored_epoch
from keras_transfer.models.freezing import BATCH_NORM, restart_randomness, set_trainable
from keras_transfer.models.stages import layers_by_part, stages
from keras_transfer.schedules.named import Schedule, plan
from keras_transfer.schedules.parts import open_parts
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.schedules.rates import RATES, Rate, constant
from keras_transfer.training.layerwise import layerwise
from keras_transfer.training.phase_rates import RatesByStage, RatesInProportion, check_settable
from keras_transfer.training.progress import Progress

_END = 1 - 1e-6  # progress in a phase stays below 1


@takes(
    train_batch_norm=BATCH_NORM,
    rate=Part(RATES) | None,
    monitor=Kind((str, EarlyStopping), "the name of a metric or an EarlyStopping") | None,
)
class UnfreezeSchedule(keras.callbacks.Callback):
    """A callback that opens stages and sets the learning rate at the epochs given by a schedule, in one `fit`.

    The callback freezes the model for the first phase itself when training begins; no other call is needed. There is
    one History for all phases, and the optimizer and the other callbacks keep their state. For a variable that starts
    to train late, the optimizer counts steps from that start, so that its first update is not too large. After the last
    phase the model stays as this phase set it. Its optimizer then has state for exactly the trainable variables, so
    that it is saved and reloaded with the model.

    The callback works with all optimizers of Keras, with a MultiOptimizer (whose learning rates keep their ratios), and
    with a distribution strategy. If the learning rate is a schedule object of Keras, it is not changed. Phases with
    `layer_decay` below 1 turn the optimizer into a MultiOptimizer. `fit` may replace the object `model.optimizer`.

    List it before Keras' BackupAndRestore, and an interrupted run resumes in the right phase. Random layers, such as
    Dropout, depend only on their seeds and the epoch; the resumed run therefore ends with the same weights as an
    uninterrupted one.

    Args:
        schedule: name in `kt.available("schedule")`, a function of the same form, or a tuple of `Phase`.
        epochs: number of epochs of all phases together; needed with a name.
        learning_rate: learning rate of the first phase; needed with a name.
        train_batch_norm: whether BatchNorm layers in open stages train too, or their momentum; see `set_trainable`.
        rate: how the learning rate changes within each phase: name in `kt.available("rate")` or a function from
            progress in [0, 1) to a factor; None leaves the learning rate to the optimizer and to other callbacks,
            such as LearningRateScheduler.
        monitor: name of a metric, such as "val_loss", or a Keras EarlyStopping. If given, the next phase begins when
            the metric has not improved for two epochs, or for the `patience` of the EarlyStopping. The numbers of
            epochs of the phases are then ignored.

    Attributes:
        phases: the phases of the schedule for this model; empty before training begins.
        began: epoch, counted from 0, at which each phase so far began.

    Raises:
        InputError: if a name is unknown or an argument is missing. When training begins: if `build_model` did not make
            the model, a phase opens a part that the model does not have, or a phase has `layer_decay` below 1 and the
            optimizer cannot have a learning rate for each stage (see `layerwise`).

    Example:
        >>> callback = UnfreezeSchedule("gradual", epochs=9, learning_rate=1e-3)
    """

    def __init__(
        self,
        schedule: str | Schedule | Sequence[Phase],
        *,
        epochs: int | None = None,
        learning_rate: float | None = None,
        train_batch_norm: bool | float = False,
        rate: str | Rate | None = "constant",
        monitor: str | EarlyStopping | None = None,
    ):
        super().__init__()
        if not callable(schedule):  # raise an error for a wrong name or number now, not in `fit`
            self._check_trained(plan(schedule, epochs, learning_rate, ("stage",)))
        if monitor is not None and rate not in ("constant", None):
            raise InputError(
                "Expected rate='constant' or None with `monitor`, since the length of a phase is not known then. "
                f"Received: rate={rate!r}."
            )
        self.schedule = schedule
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.train_batch_norm = train_batch_norm
        self.rate = None if rate is None else RATES.find(rate)
        if getattr(monitor, "restore_best_weights", False):
            raise InputError("Expected an EarlyStopping without restore_best_weights as `monitor`: it stops nothing.")
        self.monitor = EarlyStopping(monitor, patience=2) if isinstance(monitor, str) else monitor
        self.phases: tuple[Phase, ...] = ()
        self._progress: Progress
        self._began: list[int] = []
        self._current: int | None = None

    @property
    def began(self) -> list[int]:
        """Epoch, counted from 0, at which each phase so far began."""
        return self._progress.began if hasattr(self, "_progress") else self._began

    @property
    def watches_steps(self) -> bool:
        """Whether the learning rate changes within a phase, so that it is set before each batch."""
        return self.rate not in (None, constant)

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        forget_restored_epoch(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        model = self.model
        if restored_epoch(model):
            raise InputError("Expected UnfreezeSchedule before BackupAndRestore in the list of callbacks.")
        self._stages = stages(model)
        self.phases = plan(self.schedule, self.epochs, self.learning_rate, self._stages)
        self._check_fit()
        trained = vars(model.optimizer)[PROGRESS].trained if PROGRESS in vars(model.optimizer) else None
        by_stage = any(phase.layer_decay != 1 for phase in self.phases)
        if by_stage:
            check_settable(model.optimizer, self.rate)
        set_trainable(model, "all", train_batch_norm=self.train_batch_norm)
        self._variables = {
            part: [variable for layer in layers for variable in layer.trainable_variables]
            for part, layers in layers_by_part(model).items()
        }
        known = [part for part, variables in self._variables.items() if was_built_for(model.optimizer, variables)]
        fit_optimizer(model)
        if by_stage and not isinstance(inner_optimizer(model.optimizer), MultiOptimizer):
            with model.distribute_strategy.scope():
                split_optimizer(model, layerwise(model.optimizer, model, 1.0))
        self._rates = (RatesByStage if by_stage else RatesInProportion)(model.optimizer, self._variables)
        known = [part for part in known if trained is None or part in trained]
        self._progress = Progress(model.optimizer, len(self.phases), list(self._variables), known)
        self._current, self._seen = None, False
        if self.monitor:
            self.monitor.set_model(model)
            self.monitor.on_train_begin()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        restart_randomness(self.model, epoch)
        progress = self._progress
        index = progress.due if self.monitor else self.phase_index(epoch)
        if index == self._current:
            return
        goes_on = self._current is None and progress.phase == index  # resumes a run that was interrupted in this phase
        if goes_on and self.monitor and progress.watched:
            self.monitor.wait, self.monitor.best = progress.watched
        if not goes_on:
            before = () if progress.phase is None else open_parts(self._stages, self.phases[progress.phase].unfrozen)
            progress.enter(index, epoch, before)
        self._current = index
        self._open(self.phases[index])
        if not goes_on:
            self._set_rate(0.0)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.watches_steps:
            index = self._current or 0
            epochs = self._epoch - starts(self.phases)[index] + batch / self.params["steps"]
            self._set_rate(min(epochs / self.phases[index].length, _END))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.monitor or self._current == len(self.phases) - 1:
            return
        metric = self.monitor.monitor
        if metric not in (logs or {}):
            if metric.startswith("val_"):
                return  # validation need not run after every epoch
            raise InputError(f"Expected `monitor` to be one of {sorted(logs or {})}. Received: {metric!r}.")
        self._seen = True
        stop, self.model.stop_training = self.model.stop_training, False
        self.monitor.on_epoch_end(epoch, logs)
        due = self._current + self.model.stop_training
        if self.model.stop_training:
            self.monitor.on_train_begin()
        self.model.stop_training = stop
        self._progress.watch(due, self.monitor.wait, self.monitor.best)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._current is None and self._progress.phase is not None:  # a run interrupted after its last epoch
            self._open(self.phases[self._progress.phase])
        fit_optimizer(self.model)  # Keras reloads only an optimizer for exactly the trainable variables
        self._progress.remove()
        self._began = self._progress.began
        del self._progress, self._rates  # which hold the optimizer that ran, with all of its state
        if self.monitor and not self._seen and self._current == 0 and len(self.phases) > 1:
            warnings.warn(
                f"No stage was opened: `fit` never logged {self.monitor.monitor!r}. Is there validation data?",
                DataWarning,
                stacklevel=2,
            )

    def phase_index(self, epoch: int) -> int:
        """Returns the index of the phase that contains an epoch, by the epochs of the schedule. Both count from 0."""
        later = [index for index, start in enumerate(starts(self.phases)[:-1]) if start <= epoch]
        return later[-1]

    def _open(self, phase: Phase) -> None:
        set_trainable(self.model, phase.unfrozen, train_batch_norm=self.train_batch_norm)
        self._progress.opened(open_parts(self._stages, phase.unfrozen))
        late = {
            id(variable): self._progress.late_by(part)
            for part in open_parts(self._stages, phase.unfrozen)
            for variable in self._variables[part]
            if self._progress.late_by(part)
        }
        open_variables(self.model.optimizer, late, self.model.trainable_variables)
        self.model.make_train_function(force=True)

    def _set_rate(self, progress: float) -> None:
        phase = self.phases[self._current or 0]
        if self.rate is not None and not phase.solves:
            self._rates.set(phase, phase.learning_rate * self.rate(progress))

    def _check_trained(self, phases: Sequence[Phase]) -> None:
        """Raises InputError for phases that `fit` cannot do."""
        if any(phase.solves for phase in phases):
            raise InputError(
                "Expected phases that are trained: `fit` runs an optimizer, which does not solve a head. Call "
                "fine_tune(model, data, schedule='solve') first, then `fit` with the phases after it."
            )

    def _check_fit(self) -> None:
        """Raises InputError, or warns, if the schedule does not fit the model, the data or the optimizer."""
        self._check_trained(self.phases)
        for phase in self.phases:
            open_parts(self._stages, phase.unfrozen)
        if self.watches_steps and not self.params.get("steps"):
            raise InputError(
                "Expected a dataset whose number of batches is known, with a rate that moves. Apply "
                "tf.data.experimental.assert_cardinality to it, or use rate='constant'."
            )
        accumulates = any(leaf.gradient_accumulation_steps for leaf in leaves(self.model.optimizer))
        if accumulates and self.model.distribute_strategy.num_replicas_in_sync > 1:
            raise InputError("Expected no gradient accumulation on several devices: Keras cannot do both.")
        total, epochs = starts(self.phases)[-1], self.params.get("epochs") or 0
        reached = sum(start < epochs for start in starts(self.phases)[:-1])
        if not self.monitor and (reached < len(self.phases) or (epochs > total and self.watches_steps)):
            then = "its last phases are not reached" if epochs < total else "after it the rate stays at its last value"
            warnings.warn(f"The schedule has {total} epochs and fit {epochs}: {then}.", DataWarning, stacklevel=2)
