"""Presets of KerasHub: what its names, handles and folders stand for, and what is said where they cannot be loaded."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keras_transfer._checks import DownloadError, InputError

_SCHEMES = ("kaggle://", "hf://", "modelscope://")
INSTALL = "pip install 'keras-transfer[keras-hub]'"


def keras_hub() -> Any:
    """Returns the module `keras_hub`.

    Raises:
        InputError: if KerasHub is not installed.
    """
    if find_spec("keras_hub") is None:
        raise InputError(f"Expected KerasHub to be installed, for its networks and tokenizers; {INSTALL}.")
    import keras_hub

    return keras_hub


def is_preset(name: str) -> bool:
    """Says whether a name is a preset of KerasHub, the handle of one, or a folder with one."""
    if "://" in name:
        return name.startswith(_SCHEMES)
    if (Path(name).expanduser() / "config.json").is_file():
        return True
    return find_spec("keras_hub") is not None and name in keras_hub().models.Backbone.presets


def load_preset(load: Callable[..., Any], preset: str, what: str, **options: Any) -> Any:
    """Loads a part of a preset.

    Args:
        load: such as `keras_hub.models.Backbone.from_preset`.
        preset: name, handle or folder.
        what: is loaded, in words.
        **options: further arguments of `load`.

    Raises:
        InputError: if there is no such preset, or it has no such part.
        DownloadError: if it is not on this machine and cannot be downloaded.
    """
    folder = Path(preset).expanduser()
    try:
        return load(str(folder) if folder.is_dir() else preset, **options)
    except (OSError, HTTPException, ValueError, KeyError, TypeError, ImportError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        remote = not folder.is_dir()
        if remote and (isinstance(error, (OSError, HTTPException)) or "no config.json" in said):
            raise DownloadError(
                f"The {what} of {preset!r} is not on this machine and cannot be downloaded here ({said}). On a machine "
                f"with a network, keras_hub.models.Backbone.from_preset({preset!r}).save_to_preset(FOLDER), and the "
                f"same with keras_hub.tokenizers.Tokenizer, write the files; pass FOLDER in place of {preset!r}."
            ) from error
        raise InputError(f"Expected a preset of KerasHub with a {what}. Received: {preset!r}, {said}") from error
