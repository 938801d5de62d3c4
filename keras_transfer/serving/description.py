"""The file keras_transfer.json of an exported version: what a client needs to use the version, besides the graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import DataError, InputError
from keras_transfer._version import __version__
from keras_transfer.data.kinds import Images, Kind, kind_described, kind_of_model
from keras_transfer.data.pixels.resizing import RESIZES
from keras_transfer.models.origins import check_class_order, classes_of
from keras_transfer.tasks import Task, task_of_activation
from keras_transfer.tasks.report import checked_names

DESCRIPTION = "keras_transfer.json"


@dataclass(frozen=True)
class Description:
    """Metadata of an exported version.

    Attributes:
        class_names: name of each output.
        kind: what the network takes, and how it is made of the bytes of a file.
        activation: "softmax" for one class per image, "sigmoid" for several labels per image, "linear" for regression.
        views: name of the views of each image over which outputs are averaged; None for the image alone.
        coverage: chance in (0, 1) that the true class is among the possible ones; None if they are not told.
        possible_from: probability from which on a class is possible.
        min_accuracy: how often answers that are given are right, in (0, 1); None if all are given.
        known_from: probability of the likeliest class from which on it is an answer.
        axes: of the outputs between those of the examples and of the classes; 1 for an answer a word, 2 for one a
            pixel.
        masks: the values of the masks that it was trained on, by class, and those that were ignored; None for others.
    """

    class_names: tuple[str, ...]
    kind: Kind
    activation: str
    views: str | None = None
    coverage: float | None = None
    possible_from: float | None = None
    min_accuracy: float | None = None
    known_from: float | None = None
    axes: int = 0
    masks: Mapping[str, Any] | None = None

    @property
    def images(self) -> Images:
        """How images are read.

        Raises:
            InputError: if the network takes something else.
        """
        if not isinstance(self.kind, Images):
            raise InputError(f"Expected a version that takes images. Received: one that takes {self.kind.noun}.")
        return self.kind

    @property
    def task(self) -> Task:
        """The task that the model was trained for, derived from its activation and its outputs."""
        return task_of_activation(self.activation, self.axes)

    @property
    def output(self) -> str:
        """Name of the output with one number per class: "probabilities", or "values" for regression."""
        return self.task.output

    def content(self) -> dict[str, Any]:
        """Returns the description as values for JSON."""
        return {
            "class_names": list(self.class_names),
            "kind": self.kind.name,
            **self.kind.described(),
            "other_formats": self.kind.other_formats,  # for a person who writes a client
            "activation": self.activation,
            "views": self.views,
            "coverage": self.coverage,
            "possible_from": self.possible_from,
            "min_accuracy": self.min_accuracy,
            "known_from": self.known_from,
            "axes": self.axes,
            "masks": self.masks,
        }

    def write(self, folder: Path) -> None:
        """Writes the description to `keras_transfer.json` in a version's folder."""
        _write(folder, self.content())


def write_many(folder: Path, tasks: Mapping[str, Description], shared: str) -> None:
    """Writes the descriptions of several tasks of one version, and the cut up to which they have all in common."""
    _write(folder, {"tasks": {name: each.content() for name, each in tasks.items()}, "shared_up_to": shared})


def _write(folder: Path, content: dict[str, Any]) -> None:
    content = {**content, "versions": library_versions()}
    (folder / DESCRIPTION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def library_versions() -> dict[str, str]:
    """Returns the installed versions of keras_transfer, Keras and TensorFlow, by name."""
    return {"keras_transfer": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}


def describe(
    model: keras.Model,
    class_names: Sequence[str] | None,
    resize: str = "crop",
    *,
    of: Kind | None = None,
    views: str | None = None,
) -> Description:
    """Returns the description of a model that will be exported.

    Args:
        model: a functional model with one input and one output.
        class_names: name of each output; by default their numbers.
        resize: how images are resized, where nothing tells of the data: "crop", "pad" or "stretch".
        of: kind of the data. Of images it says how they are resized, and the size for a model that takes any.
        views: name of the views over which outputs are averaged.

    Raises:
        InputError: if `resize` is unknown, the model's image size is not fixed, or the model is not functional with one
            input and one output.
        DataError: if the number of names is not the number of outputs.
    """
    RESIZES.find(resize)
    if len(getattr(model, "inputs", ())) != 1 or len(getattr(model, "outputs", ())) != 1:
        raise InputError(f"Expected a functional model with one input and one output. Received: {model!r}.")
    count = model.output_shape[-1]
    known = classes_of(model)
    if class_names is not None:
        check_class_order(model, tuple(class_names), "Pass the names in the model's order, or data.with_classes of it.")
    names = known if class_names is None else tuple(class_names)
    if count == 1 and names is not None and len(names) == 2:
        names = names[1:]  # one sigmoid output is the probability of the second class
    names = tuple(name.strip() for name in checked_names(names, count))
    if len(set(names)) < len(names) or not all(names):
        raise DataError(f"Expected a name of its own for each output. Received: {list(names)}.")
    kind = kind_of_model(model, of if of is not None else resize)
    if views is not None and not isinstance(kind, Images):
        raise InputError(f"Expected no `views` of {kind.noun}. Received: views={views!r}.")
    activation = getattr(model.layers[-1], "activation", keras.activations.linear)
    return Description(names, kind, activation.__name__, views, axes=max(len(model.outputs[0].shape) - 2, 0))


def read_description(folder: Path, task: str | None = None) -> Description:
    """Reads the description of an exported version.

    Args:
        folder: of the version.
        task: name of a task of a version that has several.

    Raises:
        InputError: if `folder` is not a version written by `export`, or its description is damaged.
    """
    if task is not None:
        return read_many(folder)[task]
    content = _read(folder)
    if "tasks" in content:
        raise InputError(
            f"Expected a version with one task. Received: {str(folder)!r}, with {list(content['tasks'])}. "
            "kt.load_many reads it."
        )
    return _described(folder, content)


def read_many(folder: Path) -> dict[str, Description]:
    """Reads the descriptions of a version with several tasks, by their names.

    Raises:
        InputError: if `folder` is not a version written by `export_many`, or its description is damaged.
    """
    tasks = _read(folder).get("tasks")
    if not isinstance(tasks, dict) or not tasks:
        raise InputError(f"Expected a version written by keras_transfer.export_many. Received: {str(folder)!r}.")
    return {name: _described(folder, content) for name, content in tasks.items()}


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return {**content}
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder, error) from error


def _described(folder: Path, content: dict[str, Any]) -> Description:
    try:
        return Description(
            tuple(content["class_names"]),
            kind_described(content, folder),
            content["activation"],
            content.get("views"),
            content.get("coverage"),
            content.get("possible_from"),
            content.get("min_accuracy"),
            content.get("known_from"),
            content.get("axes", 0),
            content.get("masks"),
        )
    except (KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> InputError:
    return InputError(
        f"Expected a version written by keras_transfer.export in {str(folder)!r}. {type(error).__name__}: {error}"
    )
