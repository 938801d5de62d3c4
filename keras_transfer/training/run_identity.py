"""What a run is: all that must be the same for it to go on, and what has changed where it is not."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf
from keras.callbacks import Callback

from keras_transfer._identity import form_of, identity_of
from keras_transfer._keras.leaves import (
    has_rate_schedule,
    inner_optimizer,
    leaves,
    not_decayed,
    rate_of,
    rate_schedule,
    without_state,
)
from keras_transfer._keras.refitting import variables_by_leaf
from keras_transfer._version import __version__
from keras_transfer.caching import Cache
from keras_transfer.data.augment.named import parts_of
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.schedules.phases import Phase

# arguments of callbacks that change what is seen or written, not what is trained
_NOT_TRAINED = ("verbose", "filepath")
_LONGEST = 100  # letters of a value in a message


def identity(
    model: keras.Model, data: LabelledData, phases: Sequence[Phase], cache: Cache | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what must be the same for a run to go on, ready for JSON.

    Args:
        model: compiled; its weights do not count, since those of the run are restored.
        data: of the training and validation images, which are known by their paths or, in memory, by their content.
        phases: of the schedule.
        cache: its `views` and `dtype`, which change what is learnt; where it lies does not.
        settings: others, by their names.
    """
    examples = {name: data.splits[name] for name in ("train", "validation") if name in data.splits}
    return {
        "versions": {
            "keras_transfer": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": ".".join(platform.python_version_tuple()[:2]),  # on which the code of functions depends
        },
        "model": {"name": model.name, "dtype policy": keras.config.dtype_policy().name, "layers": form_of(model)},
        "optimizer": optimizer_identity(model.optimizer),
        "phases": [identity_of(asdict(phase)) for phase in phases],
        "cache": None if cache is None else {"views": cache.views, "dtype": cache.dtype},
        **{name: identity_of(value) for name, value in settings.items()},
        "data": {
            **{name: identity_of(value) for name, value in data.kind.settings().items()},
            "augment": identity_of(parts_of(data.augment, data.changes)),
            "batch_size": data.batch_size,
            "seed": data.seed,
            "sampling": data.sampling,
            "class_names": data.class_names,
        },
        "images": {
            name: {"count": len(part), "images": identity_of(part.items), "labels": identity_of(part.labels)}
            for name, part in examples.items()
        },
    }


def callback_identity(callback: Callback, memory: Sequence[str]) -> dict[str, Any]:
    """Returns what a callback is: its class, and the arguments it was made with as far as it keeps them as values.

    Args:
        callback: which remembers something.
        memory: the attributes in which it does, which training changes.
    """
    known = {"class": identity_of(type(callback))}
    for name in inspect.signature(type(callback)).parameters:
        value = vars(callback).get(name)
        if name == "min_delta" and isinstance(value, (int, float)):
            value = abs(value)  # Keras turns its sign once it has found out that the metric shall fall
        if isinstance(value, (bool, int, float, str)) and name not in (*memory, *_NOT_TRAINED):
            known[name] = identity_of(value)
    return known


def changes(theirs: Any, ours: Any, where: str = "") -> list[str]:
    """Says what differs between two identities, each difference with its place."""
    if theirs == ours:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        inner = [changes(theirs.get(name), ours.get(name), f"{where}.{name}") for name in {**theirs, **ours}]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        inner = [changes(*pair, f"{where}.{place}") for place, pair in enumerate(zip(theirs, ours, strict=True))]
    else:
        return [f"{where.removeprefix('.')}: {_short(theirs)} there, {_short(ours)} now"]
    return [line for lines in inner for line in lines]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def optimizer_identity(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Returns what an optimizer that is not built is: its settings, or those of all inside it with their variables."""
    whole = optimizer.get_config() if inner_optimizer(optimizer) is not optimizer else {}  # of a loss scale
    scale = {name: whole[name] for name in ("initial_scale", "dynamic_growth_steps") if name in whole}
    return {
        "class": identity_of(type(optimizer)),
        **scale,
        "parts": [
            {"class": identity_of(type(leaf)), "variables": variables, **_settings(leaf)}
            for leaf, variables in zip(leaves(optimizer), variables_by_leaf(optimizer), strict=True)
        ],
    }


def _settings(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    config = without_state(optimizer, learning_rate=0.5).get_config() | {"name": None}
    rate = rate_schedule(optimizer) if has_rate_schedule(optimizer) else rate_of(optimizer)
    own = {"learning_rate": rate, "not decayed": not_decayed(optimizer)}
    return {name: identity_of(value) for name, value in {**config, **own}.items()}
