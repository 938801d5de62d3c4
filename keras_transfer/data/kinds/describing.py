"""Which kind of data it is: of what the description of an export says, and of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_transfer._checks import InputError
from keras_transfer.data.kinds.images import Images
from keras_transfer.data.kinds.kind import Kind
from keras_transfer.data.kinds.sounds import Sounds
from keras_transfer.data.kinds.texts import Texts
from keras_transfer.data.text.tokenizing import StoredTokenizer


def kind_described(content: Mapping[str, Any], folder: Path | None = None) -> Kind:
    """Returns the kind that the description of an export is of; one without a kind is of images.

    Args:
        content: of the description.
        folder: of the export, for a tokenizer that lies there.

    Raises:
        KeyError, TypeError: if something is missing or has another form.
    """
    if content.get("kind") == Sounds.name:
        return Sounds(content["sample_rate"], content["seconds"])
    if content.get("kind") == Texts.name:
        return Texts(StoredTokenizer(folder), content["length"], content.get("by_word", False))
    pixel_range = tuple(content.get("pixel_range") or ()) or None
    return Images(tuple(content["image_size"]), content["resize"], pixel_range, content.get("channels", 3))


def kind_of_model(model: keras.Model, like: Kind | str = "crop") -> Kind:
    """Returns what a model takes.

    Args:
        model: with one input.
        like: the kind of the data that it was trained on, which says how images are resized, and to what size for a
            model that takes any; or how images are resized alone.

    Raises:
        InputError: if the form of the model's input is not fixed, clients could not send it, or it is of another kind.
    """
    shape = model.input_shape
    if len(shape) == 2:
        found = _texts(model, like) if "int" in model.inputs[0].dtype else _sounds(model, like)
    else:
        found = _images(model, like)
    if isinstance(like, Kind) and like.name != found.name:
        raise _of_another(found, like)
    return found


def _of_another(taken: Kind | type[Kind], like: Kind) -> InputError:
    return InputError(f"Expected data of {taken.noun}, which the model takes. Received: data of {like.noun}.")


def _images(model: keras.Model, like: Kind | str) -> Images:
    shape, known = model.input_shape, like if isinstance(like, Images) else None
    size = tuple(shape[1:3])
    if None in size:
        if known is None:
            raise InputError(
                "Expected `data`, whose image size the version then has, or a model with a fixed one. Received: no "
                f"data, and input shape {shape}."
            )
        size = tuple(known.image_size)
    if shape[3] not in (1, 3):
        raise InputError(
            f"Expected a model of pictures with 1 or 3 channels, since clients send picture files. Received: one with "
            f"{shape[3]}. Keras' own model.export(folder) writes a SavedModel that takes arrays."
        )
    resize = like if isinstance(like, str) else known.resize if known else "crop"
    return Images(size, resize, known.pixel_range if known else None, shape[3])


def _texts(model: keras.Model, like: Kind | str) -> Kind:
    if not isinstance(like, Texts):
        if isinstance(like, Kind):
            raise _of_another(Texts, like)
        raise InputError("Expected `data`, whose tokenizer the version then has, for a model of texts. Received: none.")
    like.check_model(model)
    return like


def _sounds(model: keras.Model, like: Kind | str) -> Sounds:
    heard = [layer for layer in model.layers if isinstance(layer, keras.layers.MelSpectrogram)]
    if not heard and isinstance(like, Sounds):  # Whisper's spectrogram is another layer
        like.check_model(model)
        return like
    if not heard or None in model.input_shape[1:]:
        raise InputError(
            "Expected a model of images, of sounds as build_model(sound=...) makes it, or `data` with it. Received: "
            f"one with the input shape {model.input_shape}. Keras' own model.export(folder) writes a SavedModel that "
            "takes arrays."
        )
    rate = int(heard[0].sampling_rate)
    return Sounds(rate, model.input_shape[1] / rate)
