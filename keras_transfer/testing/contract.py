"""What a check says when a part breaks its contract."""

from __future__ import annotations

from typing import Any

from keras_transfer._checks import KerasTransferError


class BrokenContract(KerasTransferError, AssertionError):
    """A part does not keep a promise of its kind."""


def require(kept: Any, promise: str, received: Any = None) -> None:
    """Raises BrokenContract unless a promise is kept.

    Args:
        kept: whether it is.
        promise: completes the sentence "Expected ...".
        received: what came instead; None where that goes without saying.
    """
    if not kept:
        raise BrokenContract(f"Expected {promise}." + ("" if received is None else f" Received: {received}."))
