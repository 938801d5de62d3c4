"""What a model knows of itself: the parts that it was built of, and the names of its classes.

Both are attributes of the model object, and travel in the `.keras` file that Keras writes: Keras keeps what
`get_build_config` returns, and passes over what it does not know when it loads.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from keras_transfer._checks import DataError, DataWarning
from keras_transfer.models.saving import save_what_loads

TUNED_BY = "tuned_by"  # attribute of the layer that tells a tuning: the tuning itself
_KEY = "transfer"  # in the configuration of the model; no name of this package, which is not needed to load it


@dataclass(frozen=True)
class Origin:
    """The parts that a model was built of.

    Attributes:
        backbone: name of the network.
        weights: "imagenet"; "random"; "its own", if the backbone is a model that already had weights; or a file name.
        pooling: name of the pooling.
        head: name of the head.
        options: further arguments of the backbone's constructor.
    """

    backbone: str
    weights: str
    pooling: str
    head: str
    options: Mapping[str, Any] = field(default_factory=dict)


def name_of(part: Any) -> str:
    """Returns the name of a part that was given by name or as an object.

    For a `functools.partial` it is the name of the inner function.
    """
    if isinstance(part, (str, os.PathLike)):
        return os.fspath(part)
    part = getattr(part, "func", part)
    return getattr(part, "__name__", None) or getattr(part, "name", None) or type(part).__name__


def remember(model: keras.Model, origin: Origin) -> None:
    """Stores the origin in the model."""
    model.origin = origin
    _keep_when_saved(model)


def origin_of(model: keras.Model) -> Origin | None:
    """Returns the origin of a model; None if `build_model` did not make it, or Keras alone reloaded it."""
    return getattr(model, "origin", None)


def remember_classes(model: keras.Model, class_names: Sequence[str]) -> None:
    """Stores the names of the classes in the model, in the order of its outputs."""
    model.class_names = tuple(class_names)
    _keep_when_saved(model)


def remember_range(model: keras.Model, pixel_range: tuple[float, float] | None) -> None:
    """Stores in the model which values of the files it was trained on are black and white."""
    model.pixel_range = pixel_range
    _keep_when_saved(model)


def check_range(model: keras.Model, pixel_range: tuple[float, float] | None) -> None:
    """Warns of images that were scaled by other values than those that a model was trained on."""
    known = getattr(model, "pixel_range", None)
    if known is not None and pixel_range is not None and tuple(known) != tuple(pixel_range):
        warnings.warn(
            f"In these images {pixel_range} are black and white, and {tuple(known)} in those that the model was "
            f"trained on. Read them with pixel_range={tuple(known)}.",
            DataWarning,
            stacklevel=3,
        )


def classes_of(model: keras.Model) -> tuple[str, ...] | None:
    """Returns the names of a model's classes in the order of its outputs; None if it does not know them."""
    names = getattr(model, "class_names", None)
    return None if names is None else tuple(names)


def check_class_order(model: keras.Model, class_names: Sequence[str], remedy: str) -> None:
    """Raises DataError if a model has the same classes in another order.

    Args:
        model: any model.
        class_names: those of the data.
        remedy: what to do about it, one sentence.
    """
    known = classes_of(model)
    if known is not None and known != tuple(class_names) and set(known) == set(class_names):
        raise DataError(
            f"Expected the classes in the order of the model's outputs, {list(known[:10])}. "
            f"Received: {list(class_names[:10])}. {remedy}"
        )


def recall(model: keras.Model, file: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Gives a model that Keras loaded from a `.keras` file what it knew of itself when it was saved.

    Returns:
        The values of its tuning; None if it has none.
    """
    with zipfile.ZipFile(Path(file)) as archive:
        config = json.loads(archive.read("config.json"))
    kept = (config.get("build_config") or {}).get(_KEY) or {}
    if kept.get("origin"):
        remember(model, Origin(**kept["origin"]))
    if kept.get("class_names"):
        remember_classes(model, kept["class_names"])
    if kept.get("pixel_range"):
        remember_range(model, tuple(kept["pixel_range"]))
    return kept.get("tuning")


def _keep_when_saved(model: keras.Model) -> None:
    if "get_build_config" in vars(model):
        return
    of_keras = model.get_build_config

    def get_build_config() -> dict[str, Any]:
        origin, names = origin_of(model), classes_of(model)
        kept = {
            "origin": None if origin is None else asdict(origin),
            "class_names": names and list(names),
            "pixel_range": getattr(model, "pixel_range", None),
            "tuning": next((vars(layer)[TUNED_BY].values() for layer in model.layers if TUNED_BY in vars(layer)), None),
        }
        return {**(of_keras() or {}), _KEY: json.loads(json.dumps(kept, default=str))}

    model.get_build_config = get_build_config
    save_what_loads(model)
