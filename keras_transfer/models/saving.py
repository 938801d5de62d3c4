"""Saving: files that could not be read again are refused before they are written."""

from __future__ import annotations

import os
from typing import Any

import keras

from keras_transfer._checks import InputError

_HDF5 = (".h5", ".hdf5")


def check_file(model: keras.Model, file: str | os.PathLike[str]) -> None:
    """Refuses an HDF5 file for a model that Keras could write to it, but not read from it.

    Keras reads HDF5 files by the classes of layers alone: it knows no operations, such as the division in the
    preprocessing of MobileNetV2, and no layers that are defined elsewhere.

    Raises:
        InputError: if it is such a file.
    """
    if not os.fspath(file).lower().endswith(_HDF5):
        return
    of_keras = vars(keras.layers)
    lost = [each for each in model.operations if of_keras.get(type(each).__name__) is not type(each)]
    if lost:
        raise InputError(
            f"Expected a .keras file. Received: {os.fspath(file)!r}. Keras would not load it again: HDF5 cannot hold "
            f"{lost[0].name!r}, a {type(lost[0]).__name__}. For weights alone use model.save_weights('m.weights.h5')."
        )


def save_what_loads(model: keras.Model) -> None:
    """Makes `model.save` check its file first."""
    of_keras = type(model).save

    def save(filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        check_file(model, filepath)
        return of_keras(model, filepath, *args, **kwargs)

    model.save = save
