"""Plans: what a trial of a search does, and the usual space of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras_transfer._arguments import Choice, Number
from keras_transfer._checks import InputError, unknown
from keras_transfer.training import recipes
from keras_transfer.training.fine_tuning import fine_tune

Space: TypeAlias = Callable[[Any], Mapping[str, Any]]
_BUILD = ("head", "pooling")
_SHARES = {1: 0.3, 2: 0.6, 3: 1.0, "all": 3.0}  # of a pass over all images that an epoch of the opened stages takes


@dataclass(frozen=True)
class Plan:
    """What a trial does.

    Attributes:
        network: name of the candidate.
        told: the rest in a few words.
        tuning: as in `tuned`; None for none.
        build: arguments of `build_model`.
        train: arguments of `fine_tune`.
        passes: how many passes of the network over all images it takes about.
    """

    network: str
    told: str
    tuning: Any
    build: Mapping[str, Any]
    train: Mapping[str, Any]
    passes: float


def plan_of(given: Mapping[str, Any], networks: Sequence[str]) -> Plan:
    """Returns the plan that a space has proposed.

    Raises:
        InputError: if it is no mapping, names a network that is not there, or holds what nothing takes.
    """
    if not isinstance(given, Mapping):
        example = {"recipe": "default"}
        raise InputError(f"Expected a space that returns a mapping, such as {example}. Received: {given!r}.")
    rest = dict(given)
    network = Choice(*networks)("network", rest.pop("network", networks[0]))
    passes, told = rest.pop("passes", 8.0), rest.pop("told", None)
    tuning = rest.pop("tuning", None)
    build = {name: rest.pop(name) for name in _BUILD if name in rest}
    taken = inspect.signature(fine_tune).parameters
    for name in rest:
        if name not in taken or name in ("model", "data", "verbose", "resume_dir"):
            raise unknown("setting of a plan", name, [*taken, *_BUILD, "network", "tuning", "passes", "told"])
    words = {**build, **({"tuning": tuning} if tuning else {}), **rest}
    told = told or ", ".join(f"{name} {_word(value)}" for name, value in words.items())
    return Plan(network, told, tuning, build, rest, Number()("passes", passes))


def by_recipe(name: str, network: str) -> Plan:
    """Returns the plan of a recipe by name."""
    return Plan(network, f"recipe {name}", None, {}, {"recipe": name}, {"fast": 1.0, "default": 8.0}[name])


FIRST = (  # what is tried first in the usual space, from what `best` does
    {"stages": 3, "learning_rate": 3e-4, "epochs": 12, "augment": "mirror"},
    {"stages": "all", "learning_rate": 3e-4, "epochs": 12, "augment": "none"},
)


def usual(networks: Sequence[str]) -> Space:
    """Returns the usual space: the network, the stages that are opened, their rate, epochs, and mirror images."""

    def space(trial: Any) -> dict[str, Any]:
        network = trial.suggest_categorical("network", list(networks))
        stages = trial.suggest_categorical("stages", list(_SHARES))
        rate = trial.suggest_float("learning_rate", 5e-5, 1e-3, log=True)
        epochs = trial.suggest_int("epochs", 4, 16, step=4)
        mirror = trial.suggest_categorical("augment", ["none", "mirror"])
        views = 2 if mirror == "mirror" else 0
        told = f"stages {stages}, rate {rate:.1e}, epochs {epochs}" + (", mirror" if views else "")
        return {
            "network": network,
            "recipe": recipes.opened(stages, epochs, rate, augment=mirror, views=views),
            "told": told,
            "passes": 2 * max(views, 1) + epochs * _SHARES[stages],
        }

    return space


def _word(value: Any) -> str:
    return str(getattr(value, "__name__", value))
