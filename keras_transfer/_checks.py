"""The errors and warnings that are about what the user passed, and the sentences they speak."""

from __future__ import annotations

from difflib import get_close_matches


class KerasTransferError(Exception):
    """The root of all errors that this package raises on purpose."""


class InputError(KerasTransferError, ValueError):
    """Something the user passed cannot work; the message says what was expected, what came, and how to mend it.

    Raised as it is for an argument that is unknown, out of range or does not fit another one. Its subclasses tell the
    other causes apart, so that `except InputError` catches all of them. The shell prints the message without a
    traceback and exits with code 2.
    """


class DataError(InputError):
    """Images, labels, tables or records cannot be used as they are."""


class DownloadError(InputError):
    """Weights or a data set are not on this machine and cannot be downloaded."""


class VerificationError(InputError):
    """A file does not answer what the model answered, or is not the file that was written and signed."""


class DiskError(InputError):
    """A file or folder cannot be written or read: no permission, no space, or damaged."""


class DataWarning(UserWarning):
    """Something about the user's data that training works around, and they should know."""


_MANY, _NEAR = 15, 4  # names that a message lists; how many of more it lists, the nearest ones


def unknown(what: str, received: object, expected: list[str]) -> InputError:
    """Describes a name that is not among the expected ones, with the nearest one if there is any.

    Example:
        >>> print(unknown("head", "liner", ["linear", "mlp"]))
        Unknown head. Expected one of ['linear', 'mlp']. Received: head='liner'. Did you mean 'linear'?
    """
    lowered = {name.lower(): name for name in expected}
    close = [lowered[name] for name in get_close_matches(str(received).lower(), lowered, n=_NEAR)]
    if len(expected) <= _MANY:
        listed = f"one of {expected}"
    else:
        listed = f"one of {len(expected)} names" + (f", such as {close}" if close else f", such as {expected[:_NEAR]}")
    message = f"Unknown {what}. Expected {listed}. Received: {what.replace(' ', '_')}={received!r}."
    return InputError(message + (f" Did you mean {close[0]!r}?" if close else ""))


def check_layout(layout: str) -> None:
    """Raises InputError unless images have their channels in the last axis."""
    if layout != "channels_last":
        raise InputError(
            "Expected images (height, width, channels), Keras' data format channels_last. "
            f"Received: {layout}. Call keras.config.set_image_data_format('channels_last') before you build a model."
        )


def check_backend(backend: str) -> None:
    """Raises InputError unless Keras computes with TensorFlow."""
    if backend != "tensorflow":
        raise InputError(
            f"Expected Keras to compute with TensorFlow. Received: backend {backend!r}. Before Keras is imported, set "
            'KERAS_BACKEND=tensorflow, or "backend": "tensorflow" in ~/.keras/keras.json.'
        )
