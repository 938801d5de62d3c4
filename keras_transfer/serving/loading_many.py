"""load_many: a version with several tasks as a Python object that answers for all of them, or for one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from keras_transfer._arguments import PATH, Choice, Flag, takes
from keras_transfer.serving.description import read_many
from keras_transfer.serving.loading import Prediction, ServedModel
from keras_transfer.serving.proof.hashes import check_hashes
from keras_transfer.serving.signed import Examples
from keras_transfer.serving.versions import find_version


class ServedTasks:
    """A version that `export_many` wrote, loaded with TensorFlow alone. Made by `load_many`.

    Attributes:
        path: folder of the version.
        tasks: their names.
    """

    def __init__(self, path: Path):
        self.path = path
        descriptions = read_many(path)
        self.tasks = tuple(descriptions)
        first = ServedModel(path, self.tasks[0])
        self._served = {self.tasks[0]: first, **{name: first.for_task(name) for name in self.tasks[1:]}}

    def __getitem__(self, task: str) -> ServedModel:
        """Returns the model of one task; for files it computes no other head.

        Raises:
            InputError: if there is no such task.
        """
        return self._served[Choice(*self.tasks)("task", task)]

    def predict(self, images: Examples | np.ndarray) -> dict[str, list[Prediction]]:
        """Predicts for every task; what they have in common is computed once.

        Args:
            images: as in `ServedModel.predict`.

        Returns:
            By task, one prediction for each image, in the same order.

        Raises:
            InputError: if files cannot be read or decoded (the message names them), or an array has another shape.
        """
        names = [f"{name}_{served.description.output}" for name, served in self._served.items()]
        found = self._served[self.tasks[0]].outputs_of(images, "serving_default", names, names)
        return {
            name: served.predictions(rows) for (name, served), rows in zip(self._served.items(), found, strict=True)
        }


@takes(path=PATH, check=Flag() | PATH)
def load_many(path: str | os.PathLike[str], *, check: bool | str | os.PathLike[str] = False) -> ServedTasks:
    """Loads a version that `export_many` wrote.

    Args:
        path: folder of a version, or a folder of versions, from which the newest is loaded.
        check: as in `load`.

    Raises:
        InputError: if there is no version with several tasks at `path`.
        VerificationError: if a file was changed since the export, or the version is not signed with the key.
    """
    folder = find_version(path)
    if check is not False:
        check_hashes(folder, None if check is True else check)
    return ServedTasks(folder)
