"""Spans: the runs of words that tags of the form B-NAME, I-NAME and O mark, such as the name of a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from keras_transfer._checks import InputError

OUTSIDE = "O"  # the tag of a word that belongs to no span
_OF_SPAN = re.compile("[BIES]-.+")  # begins, goes on in, ends, is a span alone


class Span(NamedTuple):
    """Some words in a row that are one thing.

    Attributes:
        kind: what they are, such as "PER".
        start: place of the first word.
        end: place after the last word.
    """

    kind: str
    start: int
    end: int


def mark_spans(tags: Sequence[str]) -> bool:
    """Says whether tags mark spans: each is "O" or has the form B-NAME, I-NAME, E-NAME or S-NAME, and not all are "O".

    Example:
        >>> mark_spans(["O", "B-PER", "I-PER"]), mark_spans(["NOUN", "VERB"])
        (True, False)
    """
    others = [tag for tag in tags if tag != OUTSIDE]
    return bool(others) and all(_OF_SPAN.fullmatch(tag) for tag in others)


def spans_of(tags: Sequence[str]) -> tuple[Span, ...]:
    """Returns the spans that the tags of a text mark, as CoNLL's script reads them; none of tags that mark none.

    Raises:
        InputError: if seqeval is not installed.

    Example:
        >>> spans_of(["B-PER", "I-PER", "O", "B-LOC"])
        (Span(kind='PER', start=0, end=2), Span(kind='LOC', start=3, end=4))
    """
    if not mark_spans([tag for tag in tags if tag]):
        return ()
    require_seqeval()
    from seqeval.metrics.sequence_labeling import get_entities

    return tuple(Span(kind, start, last + 1) for kind, start, last in get_entities([tag or OUTSIDE for tag in tags]))


def require_seqeval() -> None:
    """Raises InputError unless seqeval is installed, which finds and compares spans."""
    try:
        import seqeval  # noqa: F401
    except ImportError as error:
        raise InputError(
            "Expected seqeval, which finds the spans that tags mark; pip install 'keras-transfer[tagging]'."
        ) from error
