"""Texts from a table with one row for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer.data.classes import with_units
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.cells import is_missing, row_name
from keras_transfer.data.sources.tables import Table, labels_of
from keras_transfer.data.sources.texts import TextForm, as_contents
from keras_transfer.data.splitting.splits import group_ids
from keras_transfer.data.text_data import TextData


def texts_of_table(
    table: Table,
    text_column: str,
    label_column: str | Sequence[str],
    form: TextForm,
    *,
    label_separator: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    units: Mapping[str, str] | Sequence[str] | None = None,
) -> TextData:
    """Returns the data of the texts in a column; rows without a text or a label are listed in `left_out`.

    Args:
        table: with one row for each text.
        text_column: name of the column with the texts.
        label_column: name of the column with the labels, or names of several; as the arguments below in
            `from_dataframe`.
        form: what all sources of texts share.
        label_separator: text between several labels.
        split_column: name of the column with the split.
        group_column: name of the column with what a text belongs to.
        class_names: in their order.
        task: of the labels.
        units: of values to estimate.

    Raises:
        DataError: if a label or split is unknown, or a split has no text.
    """
    cells = table.column(text_column)
    labels, names = labels_of(table, label_column, label_separator, class_names, task)
    splits = table.splits(split_column)
    groups = None if group_column is None else group_ids(table.column(group_column))
    missing = [is_missing(cell) or not str(cell).strip() for cell in cells]
    contents = as_contents(["" if gone else str(cell) for gone, cell in zip(missing, cells, strict=True)])
    reasons = {row: "has no label" for row, label in enumerate(labels) if label is None}
    reasons |= {row: "has no text" for row, gone in enumerate(missing) if gone}
    left_out = [LeftOut(Path(row_name(row)), reason) for row, reason in sorted(reasons.items())]
    note_left_out(left_out, len(cells), None, "texts")
    known = next((label for label in labels if label is not None), None)
    values = isinstance(known, list) and isinstance(known[0], float)

    def examples(split: str) -> Examples:
        rows = [row for row, of in enumerate(splits) if of == split and row not in reasons]
        if not rows:
            count = splits.count(split)
            raise DataError(f"Expected usable texts in the split {split!r}. Received: {count} rows, none usable.")
        found = np.array([labels[row] for row in rows], np.float32 if values else np.int64)
        return Examples(contents[rows], found, encoded=True, groups=None if groups is None else groups[rows])

    wanted = ("train", *(name for name in ("validation", "test") if name in splits))
    named = with_units(names, units) if values else names
    return form.data({split: examples(split) for split in wanted}, named, left_out)
