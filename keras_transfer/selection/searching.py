"""search: spends a number of minutes on networks, recipes and a few numbers, and returns the best model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import PATH, VERBOSE, Kind, Number, Whole, takes
from keras_transfer._checks import InputError, KerasTransferError
from keras_transfer._logging import say
from keras_transfer.caching import Cache
from keras_transfer.data import ImageData
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.tuning import tuned
from keras_transfer.selection.candidates import Candidate, Several, find_candidates
from keras_transfer.selection.found import DONE, FAILED, OUT_OF_TIME, PRUNED, SearchResult, Trial, ordered
from keras_transfer.selection.keeping import Kept, what_it_is
from keras_transfer.selection.plans import FIRST, Plan, Space, by_recipe, plan_of, usual
from keras_transfer.selection.proposing import optuna_of, study_in
from keras_transfer.selection.ranking import rank_backbones
from keras_transfer.selection.spending import Clock, Guard, OutOfTime
from keras_transfer.training.fine_tuning import fine_tune

_LOOKED, _SOME = 0.25, 400  # share of the budget for ranking, and images for it
_TOP, _NEAR = 3, 1.5  # networks that go on: so many, with a loss so many times the best at most
_READING = 3.0  # milliseconds in which an image is read
_WRONG = 5  # trials that fail one after another, after which a search ends
_DRAWS = 20  # proposals that take too long, after which a search ends


@takes(
    data=Kind(ImageData, "ImageData, such as kt.data.from_directory returns"),
    minutes=Number(0, above=True),
    space=Kind(callable, "a function of an Optuna trial") | None,
    trials=Whole(1) | None,
    folder=PATH | None,
    cache=Kind(Cache, "a Cache") | None,
    seed=Whole(0),
    verbose=VERBOSE,
)
def search(
    data: ImageData,
    minutes: float = 10,
    *,
    candidates: Several = None,
    space: Space | None = None,
    trials: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    cache: Cache | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
) -> SearchResult:
    """Searches for the best model for a number of minutes.

    The candidates are ranked first, in a quarter of the time at most. Those near the best go on, three at most: by the
    recipes "fast" and "default", then with what Optuna proposes (TPE) and prunes (by the median of earlier trials): the
    network, the stages that are opened, their learning rate, epochs, and mirror images. The validation loss chooses. A
    trial that would take too long is not begun, and the last one is ended when the time is over.

    Args:
        data: images with labels and a validation split. A test split chooses nothing, and is reported on at the end.
        minutes: of wall-clock time, above 0.
        candidates: as in `rank_backbones`.
        space: a function of an Optuna trial that returns a mapping: arguments of `fine_tune`, and "network" (a name of
            a candidate, by default the one that is ranked first), "tuning", "head" and "pooling" if they are searched
            too, and "passes", about how many passes over all images it takes; `{"recipe": "default"}` is one. By
            default that above.
        trials: number of them after which the search ends earlier; None for no such number.
        folder: where the best model, the leaderboard and the state are kept after each trial. The same call goes on
            with a search that was stopped, with the minutes that are left.
        cache: where activations of frozen layers are kept; by default on disk.
        seed: of what Optuna proposes, and of the trials.
        verbose: as in Keras' `fit`; 0 to say nothing.

    Returns:
        The best model and the leaderboard.

    Raises:
        InputError: if Optuna is not installed, there is no validation split, no candidate can be ranked, the budget is
            shorter than a pass over the images, or `folder` holds another search.
        DiskError: if `folder` cannot be written or read.
    """
    optuna_of()
    if "validation" not in data.splits:
        raise InputError("Expected data with a validation split, to choose by. Received: none; see `validation_split`.")
    every = find_candidates(candidates, data)
    with Kept(folder, what_it_is(data, every, seed, space)) as kept:
        clock = Clock(60 * minutes, kept.spent)
        run = _Search(data, every, cache or Cache("disk"), clock, kept, seed, verbose)
        if not kept.trials or clock.left > 0:
            if not kept.networks:
                run.look()
            study = study_in(kept.folder, seed)
            run.go(study, space, trials)
        if kept.model is None:
            failed = next((trial.note for trial in kept.trials if trial.note), None)
            raise InputError(
                f"Expected a trial that ends. Received: {len(kept.trials)} that failed: {failed}"
                if failed
                else f"Expected `minutes` for one trial at least. Received: minutes={minutes:g}, in which none ended. "
                "Take more minutes, fewer or smaller candidates, or call fine_tune(recipe='fast')."
            )
        rows = tuple(ordered(kept.trials))
        seen = every[rows[0].network].data(data)
        report = evaluate(kept.model, seen.test) if seen.test is not None else None
        measure = "accuracy" if data.task.needs_classes else "mae"
        return SearchResult(kept.model, rows, measure, clock.spent, clock.budget, kept.looked, kept.left_out, report)


class _Search:
    """A search while it runs."""

    def __init__(
        self,
        data: ImageData,
        candidates: Mapping[str, Candidate],
        cache: Cache,
        clock: Clock,
        kept: Kept,
        seed: int,
        verbose: str | int,
    ):
        self.data, self.candidates, self.cache = data, candidates, cache
        self.clock, self.kept, self.seed, self.verbose = clock, kept, seed, verbose
        self._images = sum(len(data.splits[name]) for name in ("train", "validation"))

    def look(self) -> None:
        """Ranks the candidates, one after another as long as there is time, and keeps the best."""
        found: dict[str, float] = {}
        begun = self.clock.spent
        for number, (name, candidate) in enumerate(self.candidates.items(), start=1):
            if found and self.clock.spent - begun > _LOOKED * self.clock.budget:
                self.kept.left_out[name] = "there was no time to look at it"
                continue
            if self.verbose:
                say(f"candidate {number} of {len(self.candidates)}: {name}")
            try:
                row = rank_backbones(
                    self.data,
                    {name: candidate},
                    "solved_head",
                    images=_SOME,
                    promise=False,
                    cache=self.cache,
                    verbose=0,
                )
            except KerasTransferError as error:
                self.kept.left_out[name] = str(error).partition(f"{name}: ")[2] or str(error)
                continue
            self.kept.left_out.pop(name, None)
            score = row.rows[0].scores["solved_head"]
            found[name] = -np.inf if score is None else score
            self.kept.passes[name] = (row.rows[0].milliseconds + _READING) / 1000 * self._images
        if not found:
            listed = "; ".join(f"{name}: {reason}" for name, reason in self.kept.left_out.items())
            raise InputError(f"Expected a candidate that can be tried. Received: {listed}")
        best = max(found.values())
        near = [name for name in found if found[name] >= _NEAR * best]  # losses, times -1
        self.kept.networks = sorted(near, key=found.__getitem__, reverse=True)[:_TOP]
        self.kept.looked += self.clock.spent - begun
        cheapest = min(self.kept.networks, key=self.kept.passes.__getitem__)
        needed = self.clock.expected(1, self.kept.passes[cheapest])
        if not self.kept.trials and needed > self.clock.left:
            raise InputError(
                f"Expected `minutes` of {(self.clock.spent + needed) / 60:.1f} or more: loading {cheapest} and a pass "
                f"of it over {self._images:,} images take about {needed:.0f} s. Received: {self.clock.budget / 60:g}. "
                "Take fewer or smaller images, or smaller candidates."
            )

    def go(self, study: Any, space: Space | None, most: int | None) -> None:
        """Makes trials until the time is over."""
        first = [] if space else [by_recipe("fast", self.kept.networks[0]), by_recipe("default", self.kept.networks[0])]
        done = {(trial.network, trial.plan) for trial in self.kept.trials}
        for plan in first:
            fits = self.clock.expected(plan.passes, self.kept.passes[plan.network]) < self.clock.left
            if (plan.network, plan.told) not in done and fits and self._more(most):
                self._try(plan, None, study)
        if space is None and not study.trials:
            for values in FIRST:
                study.enqueue_trial({"network": self.kept.networks[0], **values})
        propose, waste, wrong = space or usual(self.kept.networks), 0, 0
        others = [name for name in self.candidates if name not in (*self.kept.networks, *self.kept.left_out)]
        named = self.kept.networks if space is None else [*self.kept.networks, *others]
        while self.clock.left > 0 and waste < _DRAWS and wrong < _WRONG and self._more(most):
            trial = study.ask()
            try:
                plan = plan_of(propose(trial), named)
            except (InputError, ValueError) as error:  # also of Optuna, whose parameters keep their choices
                self._add(Trial(self._next, named[0], "", FAILED, None, None, 0.0, self.clock.spent, str(error)), None)
                study.tell(trial, state=optuna_of().trial.TrialState.FAIL)
                wrong += 1
                continue
            one_pass = self.kept.passes.get(plan.network, max(self.kept.passes.values()))
            if self.clock.expected(plan.passes, one_pass) > self.clock.left:
                study.tell(trial, state=optuna_of().trial.TrialState.FAIL)
                waste += 1
                continue
            waste = 0
            wrong = wrong + 1 if self._try(plan, trial, study) == FAILED else 0

    @property
    def _next(self) -> int:
        return len(self.kept.trials) + 1

    def _more(self, most: int | None) -> bool:
        return most is None or len(self.kept.trials) < most

    def _try(self, plan: Plan, trial: Any, study: Any) -> str:
        """Makes a trial, and returns its state."""
        optuna, number, begun = optuna_of(), self._next, self.clock.spent
        loss = score = model = None
        state, note = DONE, ""
        keras.utils.set_random_seed(self.seed + number)
        try:
            model, data = self._trained(plan, trial)
            found = evaluate(model, data.validation).metrics
            loss = float(found["loss"] if "loss" in found else found["mse"])
            score = float(found["accuracy"] if "accuracy" in found else found["mae"])
            if not np.isfinite(loss):
                state, loss, note = FAILED, None, "its loss is no finite number"
        except OutOfTime:
            state = OUT_OF_TIME
        except optuna.TrialPruned:
            state = PRUNED
        except Exception as error:  # of one plan: others may be right, such as with a smaller network
            state, note = (
                FAILED,
                f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else str(error),
            )
        seconds = self.clock.spent - begun
        if state == DONE and plan.network in self.kept.passes:
            self.clock.learn(plan.passes, self.kept.passes[plan.network], seconds)
        self._add(Trial(number, plan.network, plan.told, state, loss, score, seconds, self.clock.spent, note), model)
        if trial is not None:
            ended = optuna.trial.TrialState
            states = {DONE: ended.COMPLETE, PRUNED: ended.PRUNED}
            study.tell(trial, loss if state == DONE else None, state=states.get(state, ended.FAIL))
        return state

    def _add(self, trial: Trial, model: keras.Model | None) -> None:
        best = self.kept.add(trial, model, self.clock.spent)
        if self.verbose:
            told = f"{trial.state} {trial.note}".strip()
            if trial.loss is not None:
                told = f"loss {trial.loss:.4f}" + (", the best so far" if best else "")
            say(f"trial {trial.number}: {trial.network}, {trial.plan}: {told}, {trial.seconds:.0f} s")

    def _trained(self, plan: Plan, trial: Any) -> tuple[keras.Model, ImageData]:
        candidate = self.candidates[plan.network]
        data, model = candidate.data(self.data), candidate.build(self.data, **plan.build)
        if plan.tuning is not None:
            model = tuned(model, plan.tuning)
        train = {"cache": self.cache, **plan.train, "verbose": 0}
        train["callbacks"] = [*train.get("callbacks", ()), Guard(self.clock, trial)]
        fine_tune(model, data, **train)
        return model, data
