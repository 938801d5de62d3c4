"""Backbone: the description of a pretrained network that `build_model` needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import keras
from keras import KerasTensor

from keras_transfer._checks import DownloadError, InputError
from keras_transfer._registry import Registry
from keras_transfer.models.backbones.weight_files import load_by_names
from keras_transfer.models.spectrograms import LogMel

Weights = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its classifier, with its preprocessing, image size and stages.

    Attributes:
        network: a `keras.Model`, or a constructor that takes `weights`, `input_shape` and options and returns one.
        preprocess: function that maps an image tensor in [0, 255] to the input that the network was trained on; None
            for a network whose input is in [0, 255].
        image_size: default height and width in pixels, one number for both.
        min_image_size: smallest height and width in pixels that the network accepts.
        stages: pairs of the name of a stage and its end, from input to output. By default one stage named "backbone".
            An end is one of: a regular expression for a layer name, where the last layer that matches counts; "before
            NAME", the input of the first layer whose name ends with NAME; "CLASS #2", the second layer of that class;
            or "", the output of the network, which must be the end of the last stage.
        sound: for a network of sounds, which takes `(frames, bands, 1)`: how it was trained to hear. Its `seconds` are
            those of a model that is built without `sound`. None for a network of images.

    Example:
        >>> images = keras.Input((None, None, 3))
        >>> edges = keras.layers.Conv2D(8, 3, name="edges")(images)
        >>> parts = keras.layers.Conv2D(16, 3, name="parts")(edges)
        >>> own = Backbone(keras.Model(images, parts), lambda x: x / 255, 32, stages=(("early", "edges"), ("late", "")))
        >>> own.image_size
        32
    """

    network: keras.Model | Callable[..., keras.Model]
    preprocess: Callable[[KerasTensor], KerasTensor] | None = None
    image_size: int = 224
    min_image_size: int = 1
    stages: tuple[tuple[str, str], ...] = field(default=(("backbone", ""),))
    sound: LogMel | None = None

    def build(self, weights: Weights, image_size: tuple[int, int], options: Mapping[str, Any] | None) -> keras.Model:
        """Returns the network with its weights.

        Args:
            weights: "imagenet", None, or a file, as in `build_model`.
            image_size: (height, width) in pixels.
            options: further arguments for the constructor `network`.

        Raises:
            InputError: if the file of weights does not exist or does not fit, or the constructor has no such option.
            DownloadError: if the weights are not on this machine and cannot be downloaded.
        """
        if isinstance(self.network, keras.Model):
            if options:
                raise InputError(f"Expected no `backbone_options` with a model of your own. Received: {options!r}.")
            if weights not in ("imagenet", None):
                _load(self.network, _existing(weights))
            return self.network
        if weights is not None and weights != "imagenet":
            weights = _existing(weights)
        try:
            return self.network(weights=weights, input_shape=(*image_size, 3), **(options or {}))
        except InputError:
            raise
        except TypeError as error:
            raise InputError(f"Expected `backbone_options` of {_name(self.network)}. {error}") from error
        except Exception as error:
            if not _is_about_weights(error):
                raise  # a warning made an error, a full memory, a mistake in a network of the user
            if weights not in (None, "imagenet"):  # a file with a classifier, perhaps
                network = self.network(weights=None, input_shape=(*image_size, 3), **(options or {}))
                if load_by_names(network, str(weights)):
                    return network
            raise _weights_error(_name(self.network), weights, options, error) from error


_FETCH_FAILED = "URL fetch failure"  # what Keras' own exceptions of a download say, which have no class of their own
_DAMAGED = "file hash does not match"

BACKBONES: Registry[Backbone] = Registry("backbone", lambda part: isinstance(part, Backbone), "a kt.Backbone")


def _existing(weights: str | os.PathLike[str]) -> str:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(
            "Expected `weights` to be 'imagenet', None or a file of weights. "
            f"Received: weights={str(weights)!r}, which is not a file."
        )
    return str(path)


def _load(network: keras.Model, path: str) -> None:
    try:
        network.load_weights(path)
    except Exception as error:
        if not _is_about_weights(error):
            raise
        raise _weights_error(network.name, path, None, error) from error


def _is_about_weights(error: Exception) -> bool:
    """Returns whether an exception of Keras means that weights or options cannot be used, or not be downloaded."""
    return isinstance(error, (ValueError, KeyError, OSError, HTTPException)) or _FETCH_FAILED in str(error)


def _name(network: Callable[..., keras.Model]) -> str:
    args = getattr(network, "args", ())
    return args[0] if args else getattr(network, "func", network).__name__


def _weights_error(name: str, weights: Weights, options: object, error: Exception) -> Exception:
    """Returns an error for the user in place of an exception that Keras raised while it loaded `weights`."""
    if weights == "imagenet" and _DAMAGED in str(error):
        return DownloadError(
            f"The file with the ImageNet weights of {name} was downloaded, but is damaged or another one ({error}). "
            "Delete it from the folder `models` of Keras' home, ~/.keras by default, and try again."
        )
    no_network = isinstance(error, (OSError, HTTPException)) or _FETCH_FAILED in str(error)
    if weights == "imagenet" and no_network:
        return DownloadError(
            f"The ImageNet weights of {name} are not in Keras' cache and cannot be downloaded here ({error}). "
            "Pass weights=FILE with weights you downloaded elsewhere, or weights=None to start from scratch."
        )
    if weights is None or weights == "imagenet":
        return InputError(f"Keras cannot build {name} with backbone_options={options!r}: {error}")
    reason = str(error).strip().splitlines()[0][:300]
    return InputError(
        f"Expected `weights` of {name} without its classifier, with backbone_options={options!r}. Received: "
        f"weights={os.fspath(weights)!r}, which do not fit: {reason}"
    )
