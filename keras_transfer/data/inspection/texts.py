"""The doctor of texts: copies, texts that are cut or unknown to the tokenizer, another script, a wrong encoding."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_transfer.data.inspection.checkup import Checkup
from keras_transfer.data.inspection.finding import NOTE, SERIOUS, WARNING, Finding, by_severity
from keras_transfer.data.inspection.findings import SeenImage, class_troubles, copies, counts_of
from keras_transfer.data.splitting.near_texts import near_texts
from keras_transfer.data.text_data import TextData

_CHUNK = 128  # texts of which tokens are made together: memory grows with their words
_UNKNOWN = 0.1  # share of a text's tokens
_SHORT = 2  # words
_SIGNS = ("\N{REPLACEMENT CHARACTER}", "\u00c3\u00a9", "\u00c3\u00bc", "\u00e2\u20ac")  # of a wrong encoding


def check_texts(data: TextData) -> Checkup:
    """Looks at every text of a set, and reports what its owner should know; see `check`."""
    texts = [text for split in data.splits for text in data.texts(split)]
    seen = list(_seen(data))
    pieces = _pieces(data, texts)
    findings = [
        *(Finding("unusable", SERIOUS, item.reason, (item.path,)) for item in data.left_out),
        *copies(seen, near_texts(texts), "text", "maybe with other letters here and there"),
        *([] if data.kind.by_word else class_troubles(seen, "texts")),
        *_of_tokens(data, seen, pieces),
        *_of_letters(seen, texts),
    ]
    counts = np.array([len(row) for row in pieces], float)
    return Checkup(
        found=len(seen) + len(data.left_out),
        left_out=tuple(data.left_out),
        counts=counts_of(seen),
        sizes={"tokens": (float(counts.min()), float(np.median(counts)), float(counts.max()))},
        findings=by_severity(findings),
        root=data.root,
        noun="texts",
    )


def _seen(data: TextData) -> Iterator[SeenImage]:
    for split, examples in data.splits.items():
        labels = examples.labels if examples.labels.dtype.kind != "f" else np.zeros(len(examples), int)
        for index, item in enumerate(examples.items):
            if data.kind.by_word:
                yield SeenImage(Path(f"{split} {index}"), split, "tagged", item)
                continue
            label = int(labels[index] if labels.ndim == 1 else labels[index].argmax())
            yield SeenImage(Path(f"{split} {index}"), split, data.class_names[label], item)


def _pieces(data: TextData, texts: Sequence[str]) -> list[np.ndarray]:
    """Returns the tokens of each text, uncut up to four times the length."""
    found: list[np.ndarray] = []
    for start in range(0, len(texts), _CHUNK):
        rows = data.tokenizer(tf.constant(texts[start : start + _CHUNK]), 4 * data.length).numpy()
        found += [row[row >= 0] for row in rows]
    return found


def _of_tokens(data: TextData, seen: Sequence[SeenImage], pieces: Sequence[np.ndarray]) -> Iterator[Finding]:
    cut = [text.path for text, row in zip(seen, pieces, strict=True) if len(row) > data.length]
    if cut:
        said = f"of {len(cut)} texts only the first {data.length} tokens are read"
        yield Finding("longer than the limit", WARNING, said, tuple(cut))
    unknown = data.tokenizer.unknown
    if unknown is None:
        return
    for text, row in zip(seen, pieces, strict=True):
        share = float(np.mean(row == unknown))
        if share > _UNKNOWN:
            yield Finding("unknown to the tokenizer", WARNING, f"{share:.0%} of its tokens are unknown", (text.path,))


def _of_letters(seen: Sequence[SeenImage], texts: Sequence[str]) -> Iterator[Finding]:
    scripts = [_script(text) for text in texts]
    usual = Counter(script for script in scripts if script).most_common(1)
    for found, text, script in zip(seen, texts, scripts, strict=True):
        if any(sign in text for sign in _SIGNS):
            yield Finding("wrong encoding", WARNING, "holds signs of bytes read in a wrong encoding", (found.path,))
        if usual and script and script != usual[0][0]:
            said = f"is written in {script}, most texts in {usual[0][0]}"
            yield Finding("another script", WARNING, said, (found.path,))
        if len(text.split()) < _SHORT:
            yield Finding("a single word", NOTE, f"says no more than {text.strip()[:30]!r}", (found.path,))


def _script(text: str) -> str:
    """Returns the script of most letters of a text, such as "Latin"; "" without letters."""
    names = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    return names.most_common(1)[0][0].capitalize() if names else ""
