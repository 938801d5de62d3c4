"""Texts from a dataset of TensorFlow Datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.texts import TextForm, as_contents
from keras_transfer.data.text_data import TextData

_NAMES = ("text", "sentence")


def texts_of_builder(builder: Any, form: TextForm) -> TextData:
    """Returns the data of the texts of a dataset; those that are blank or have no label are listed in `left_out`.

    Args:
        builder: whose data are prepared, with a text, and a class named "label".
        form: what all sources of texts share.

    Raises:
        DataError: if it has other features, no split "train", or a class has too few texts.
    """
    features = dict(builder.info.features.items()) if hasattr(builder.info.features, "items") else {}
    name = next((name for name in (*_NAMES, *features) if name in features and _is_text(features[name])), None)
    if name is None or not hasattr(features.get("label"), "names"):
        raise DataError(
            f"Expected a dataset with a text and a class named 'label'. Received: {builder.name!r} with {features}."
        )
    splits, count = {}, 0
    left_out: list[LeftOut] = []
    for split in ("train", "validation", "test"):
        if split not in builder.info.splits:
            continue
        rows = builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator()
        pairs = [(row[name], int(row["label"])) for row in rows]
        texts, labels = [text for text, _ in pairs], [label for _, label in pairs]
        reasons = {place: "is empty" for place, text in enumerate(texts) if not text.strip()}
        reasons |= {place: "has no label" for place, label in enumerate(labels) if label < 0}
        left_out += [LeftOut(Path(f"{split} {place}"), reason) for place, reason in sorted(reasons.items())]
        count += len(texts)
        examples = Examples(as_contents(texts), np.array(labels, np.int64), encoded=True)
        kept = examples.take(np.array([place for place in range(len(texts)) if place not in reasons], int))
        if len(kept):  # some publish the texts of a test without the labels
            splits[split] = kept
    if "train" not in splits:
        raise DataError(
            f"Expected a dataset with a split 'train'. Received: {builder.name!r} with {list(builder.info.splits)}."
        )
    note_left_out(left_out, count, None, "texts")
    return form.data(splits, features["label"].names, left_out)


def _is_text(feature: Any) -> bool:
    from tensorflow_datasets.core.features import Text

    return isinstance(feature, Text)
