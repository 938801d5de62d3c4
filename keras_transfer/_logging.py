"""What the library says while it works: it goes to the logger "keras_transfer", and is seen without any setting."""

from __future__ import annotations

import io
import logging
import os
import sys

_LOGGER = logging.getLogger("keras_transfer")
_NAME = "keras_transfer on stdout"  # of the handler that is added here, once


def say(line: str) -> None:
    """Logs a line for the user at level INFO; call it only where `verbose` is not 0.

    It appears on `sys.stdout`, like Keras' progress bars, unless a handler of the user's shows it: one of the logger
    "keras_transfer" or of the root.
    """
    _LOGGER.info("%s", line)


class _Stdout(logging.Handler):
    """Writes to what is `sys.stdout` at the moment, where no other handler shows what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        others = [*_LOGGER.handlers, *(logging.getLogger().handlers if _LOGGER.propagate else ())]
        if not any(handler is not self and _shows(handler, record) for handler in others):
            sys.stdout.write(f"{self.format(record)}\n")
            sys.stdout.flush()


def _shows(handler: logging.Handler, record: logging.LogRecord) -> bool:
    """Says whether a handler shows a record to anyone: those that test tools put in place keep it in memory."""
    stream = getattr(handler, "stream", None)
    nowhere = isinstance(stream, io.StringIO) or getattr(stream, "name", None) == os.devnull
    return record.levelno >= handler.level and not nowhere and not isinstance(handler, logging.NullHandler)


if not any(handler.name == _NAME for handler in _LOGGER.handlers):
    _shown = _Stdout()
    _shown.name = _NAME
    _LOGGER.addHandler(_shown)
if _LOGGER.level == logging.NOTSET:
    _LOGGER.setLevel(logging.INFO)
