"""choose_adaptation: trains with several methods from the same weights, and keeps the one a validator rates best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._logging import say
from keras_transfer.adaptation.adapting import adapt
from keras_transfer.adaptation.alignment import Alignment, find_method
from keras_transfer.adaptation.alignment.method import Loss, names_of
from keras_transfer.adaptation.method_in_training import WEIGHT
from keras_transfer.adaptation.validators import Validator
from keras_transfer.caching.sharing import SharedCache
from keras_transfer.data import PipelineData
from keras_transfer.training.options import Options

Candidate: TypeAlias = str | Alignment | Loss | tuple[str | Alignment | Loss, float]


@dataclass(frozen=True, eq=False)
class AdaptationChoice:
    """The result of `choose_adaptation`. `print(choice)` shows it as a table.

    Attributes:
        chosen: name of the candidate whose weights the model has now.
        validator: name of the validator that chose.
        scores: for each candidate, by its name, the validator's value for its final weights.
        histories: for each candidate, by its name, its History.
    """

    chosen: str
    validator: str
    scores: dict[str, float]
    histories: dict[str, keras.callbacks.History]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything except the histories as values for JSON; a score that is not finite becomes None."""
        scores = {name: score if np.isfinite(score) else None for name, score in self.scores.items()}
        return {"chosen": self.chosen, "validator": self.validator, "scores": scores}

    def __str__(self) -> str:
        width = max(map(len, self.scores))
        ordered = sorted(self.scores.items(), key=lambda item: np.nan_to_num(item[1], nan=-np.inf), reverse=True)
        rows = [f"{name:<{width}}  {score:8.4f}{'  chosen' if name == self.chosen else ''}" for name, score in ordered]
        return "\n".join([f"{'':<{width}}  {self.validator}", *rows])


def choose_adaptation(
    model: keras.Model,
    source: PipelineData | Sequence[PipelineData] | None,
    target: PipelineData | None,
    *,
    candidates: Sequence[Candidate],
    validator: str | Validator | None = None,
    options: Mapping[str, Any] | None = None,
    verbose: str | int = "auto",
) -> AdaptationChoice:
    """Adapts a model with several methods, each starting from its present weights, and keeps the best result.

    A validator rates the results on the validation images of all domains, without labels of the target. Put "none"
    among the candidates, so that a harmful method can lose against training on the source alone. Activations of frozen
    layers are computed once for all candidates, if they fit in the cache.

    Args:
        model: a model made by `build_model`. It ends with the weights of the chosen candidate.
        source: as in `adapt`.
        target: as in `adapt`.
        candidates: methods as in `adapt`, or pairs of a method and its weight.
        validator: as in `adapt`.
        options: further arguments of `adapt`, such as `{"epochs": 20, "schedule": "last_n"}`.
        verbose: as in Keras' `fit`.

    Raises:
        InputError: for the reasons of `adapt`, if possible before any training; or if no candidate has a finite score.
    """
    options = dict(options or {})
    own = {"method", "weight", "validator", "resume_dir", "verbose"} & set(options)
    if own:
        raise InputError(
            "Expected `options` without arguments that `choose_adaptation` sets itself. Received: "
            f"{sorted(own)}. Give methods and weights as `candidates`."
        )
    if not candidates:
        raise InputError("Expected one candidate or more. Received: none.")
    pairs = [candidate if isinstance(candidate, tuple) else (candidate, 1.0) for candidate in candidates]
    methods = [find_method(method) for method, _ in pairs]
    for _, weight in pairs:
        WEIGHT("weight", weight)
    names = _distinct(names_of(methods), [weight for _, weight in pairs])
    cache = Options(cache=options.get("cache", "auto")).cache_settings
    options["cache"] = SharedCache.of(cache) if cache else False  # frozen layers give the same for all
    before = model.get_weights()
    best: tuple[str, list[np.ndarray]] | None = None
    scores, histories = {}, {}
    for name, method, (_, weight) in zip(names, methods, pairs, strict=True):
        if verbose:
            say(f"candidate: {name}")
        model.set_weights(before)
        history = adapt(
            model, source, target, method=method, weight=weight, validator=validator, verbose=verbose, **options
        )
        scores[name], histories[name] = history.score, history
        if np.isfinite(history.score) and (best is None or history.score > scores[best[0]]):
            best = name, model.get_weights()
    if best is None:
        model.set_weights(before)
        raise InputError(
            f"Expected a candidate with a score. Received: {history.validator.removeprefix('val_')!r} gave no finite "
            "number for any candidate. If they all diverged, try a lower learning rate; if not, another validator."
        )
    model.set_weights(best[1])
    return AdaptationChoice(best[0], history.validator.removeprefix("val_"), scores, histories)


def _distinct(names: Sequence[str], weights: Sequence[float]) -> list[str]:
    """Returns a different name for each candidate: with its weight if that is not 1, and with a number if needed."""
    found: list[str] = []
    for name, weight in zip(names, weights, strict=True):
        label = name if weight == 1 else f"{name} x{weight:g}"
        same = sum(each == label or each.startswith(f"{label} #") for each in found)
        found.append(f"{label} #{same + 1}" if same else label)
    return found
