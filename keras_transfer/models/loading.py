"""load_model: reads a model that was saved, and with it what the model knew of itself."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import keras

from keras_transfer._arguments import PATH, takes
from keras_transfer._checks import InputError
from keras_transfer._keras.reloading import freeze_inside, frozen_before_compiled
from keras_transfer.models.origins import recall
from keras_transfer.models.tuning.tuning import recall_tuning


@takes(file=PATH)
def load_model(file: str | os.PathLike[str]) -> keras.Model:
    """Reads a model from a `.keras` file, as `keras.models.load_model` does.

    The model has its weights, its optimizer and what is frozen in it. It also knows again the names of its classes
    (`model.class_names`) and the parts that it was built of, which Keras alone would pass over.

    Args:
        file: a `.keras` file that `model.save`, `ModelCheckpoint` or `keras-transfer train` has written.

    Raises:
        InputError: if the file is not there, or is of another form.

    Example:
        >>> from keras_transfer import build_model
        >>> build_model("MobileNet", 2, weights=None, image_size=32).save("two.keras")  # doctest: +SKIP
        >>> load_model("two.keras").output.shape  # doctest: +SKIP
        (None, 2)
    """
    path = Path(file).expanduser()
    if path.is_dir():
        raise InputError(
            f"Expected a .keras file. Received: {str(file)!r}, a folder. An exported version is read by kt.load."
        )
    if not path.is_file():
        raise InputError(f"Expected a .keras file. Received: {str(file)!r}, which is not there.")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"Expected a .keras file. Received: {path.name!r}, which is none. Weights in an .h5 file are read by "
            "kt.build_model(..., weights=file) for the backbone, or by model.load_weights for the whole model."
        )
    with frozen_before_compiled():
        model = keras.models.load_model(path)
    freeze_inside(model)
    values = recall(model, path)
    if values is not None:
        recall_tuning(model, values)
    return model
