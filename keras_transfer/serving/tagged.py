"""TaggedText: what a served model says of each word of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_transfer.tasks.spans import OUTSIDE, Span, spans_of


@dataclass(frozen=True)
class TaggedText:
    """The words of a text, each with its tag.

    Attributes:
        words: what stands between blanks.
        tags: of each word; "" for one that the model does not see: it comes after the length of its texts, or the
            tokenizer makes nothing of it, such as of a zero-width blank.
        probabilities: of each tag, in [0, 1]; 0 for a word that is not seen.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def of(cls, words: Sequence[bytes], outputs: np.ndarray, class_names: Sequence[str]) -> TaggedText:
        """Returns the tags that outputs stand for.

        Args:
            words: in UTF-8, and empty ones after them.
            outputs: float32 `(words, num_tags)`, all 0 for a word that is not seen.
            class_names: the tags.
        """
        count = sum(1 for word in words if word)
        rows = outputs[:count]
        tags = (class_names[int(row.argmax())] if row.any() else "" for row in rows)
        read = (word.decode("utf-8", "replace") for word in words[:count])
        return cls(tuple(read), tuple(tags), tuple(map(float, rows.max(axis=-1, initial=0))))

    @property
    def spans(self) -> tuple[Span, ...]:
        """The runs of words that tags such as B-PER and I-PER mark; none where tags mark none.

        Raises:
            InputError: if seqeval is not installed.
        """
        return spans_of(self.tags)

    def to_dict(self) -> dict[str, Any]:
        """Returns words, tags and probabilities as lists, ready for JSON."""
        return {"words": list(self.words), "tags": list(self.tags), "probabilities": list(self.probabilities)}

    def __str__(self) -> str:
        marked = (
            f"{word}/{tag}" if tag not in ("", OUTSIDE) else word
            for word, tag in zip(self.words, self.tags, strict=True)
        )
        return " ".join(marked)
