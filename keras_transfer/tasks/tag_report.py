"""TagReport: how good a model is that tags words, word by word and span by span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_transfer.tasks.parts_report import PartsReport


@dataclass(frozen=True, eq=False)
class TagReport(PartsReport):
    """The result of `evaluate` for one tag a word. `print(report)` shows it as tables.

    All that a `Report` has is about single words. Where tags mark spans (B-PER, I-PER, O), `metrics` also has
    span_precision, span_recall and span_f1 over all spans: one is right where its kind and both its ends are, as in
    Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task" (2003), section 2.3,
    https://arxiv.org/abs/cs/0306050. seqeval computes them.

    Attributes:
        texts: number of texts.
        spans: precision, recall, f1 and support of each kind of span, by its name; empty where tags mark none.
    """

    texts: int
    spans: Mapping[str, Mapping[str, float]]

    @property
    def images(self) -> int:
        """Number of texts."""
        return self.texts

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers, lists and names, ready for JSON; not-a-number becomes None."""
        spans = {kind: dict(row) for kind, row in self.spans.items()}
        return {**super().to_dict(), "texts": self.texts, "spans": spans}

    def __str__(self) -> str:
        if not self.spans:
            return super().__str__()
        width = max(map(len, (*self.spans, *self.per_class, *self.metrics))) + 2
        lines = [super().__str__(), "", f"{'span':<{width}}{'precision':>9}{'recall':>9}{'f1':>9}{'support':>9}"]
        for kind, row in self.spans.items():
            numbers = "".join(f"{row[key]:9.3f}" for key in ("precision", "recall", "f1"))
            lines.append(f"{kind:<{width}}{numbers}{row['support']:9.0f}")
        return "\n".join(lines)
