"""predict_folder: the answers of an exported version for any number of files, as a table, in bounded memory."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import track

from keras_transfer._arguments import PATH, VERBOSE, Kind, takes
from keras_transfer._checks import DiskError, InputError
from keras_transfer.data.by_kind import faults_in, files_of
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import below
from keras_transfer.data.pipelines.reading import read_pixels
from keras_transfer.engines import ENGINE, Runner
from keras_transfer.serving.folder_masks import write_masks
from keras_transfer.serving.loading import ServedModel, load

_CHUNK = 256  # files that are read, answered and written down together
_BATCH = 32  # images that are answered together
_COLUMNS = ("file", "class_name", "probability", "error")
_TABLE = (".csv", ".parquet")


@takes(
    folder=PATH,
    output=PATH,
    engine=ENGINE,
    verbose=VERBOSE,
    version=PATH | Kind(ServedModel, "a version that kt.load returned"),
)
def predict_folder(
    version: str | os.PathLike[str] | ServedModel,
    folder: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    engine: str = "auto",
    verbose: str | int = "auto",
) -> Path:
    """Writes the predictions for all images in a folder to a table, one row a file.

    A call that was interrupted goes on where it stopped: finished rows stand in a file beside `output`, which is
    renamed when all are there. Memory does not grow with the number of files.

    Args:
        version: folder of an exported version, or of versions; or what `load` returned.
        folder: read at any depth.
        output: a `.csv` file; or a `.parquet` file, which needs `pip install 'keras-transfer[parquet]'`. For a version
            that gives each pixel a class a folder, in which each picture gets a mask: `NAME.png` of its own size,
            whose values are numbers of classes, and 255 where the model saw nothing; and `masks.csv` with the shares.
            A picture that is newer than its mask gets another one. `engine` does not matter then.
        engine: what computes: "tensorflow", "openvino", "onnxruntime", or "auto" for the fastest of those installed
            whose numbers are within 1e-5 of TensorFlow's; see `Cache`.
        verbose: 0 for no progress bar.

    Returns:
        The path of the table, or of the folder of masks. The table's columns are `file` (below the folder),
        `class_name`, `probability` (of that class), `error` (why a file has no answer), then one for each class with
        its probability, or value.

    Raises:
        InputError: if there are no images, `output` has another ending, or unfinished rows are those of another
            version.
        DiskError: if the table cannot be written.
    """
    table, root = Path(output).expanduser(), Path(folder).expanduser()
    served = version if isinstance(version, ServedModel) else load(version)
    if served.description.axes == 1:
        raise InputError("Expected a version with one answer a file. Received: one that tags words; use `tag`.")
    if served.description.axes == 2:
        if not root.is_dir():
            raise InputError(f"Expected a folder of images. Received: {str(folder)!r}, which is not a folder.")
        return write_masks(served, root, table, quiet=not verbose)
    if table.suffix not in _TABLE:
        raise InputError(f"Expected `output` to end in .csv or .parquet. Received: {table.name!r}.")
    if table.suffix == ".parquet":
        _check_parquet()
    if not root.is_dir():
        raise InputError(f"Expected a folder of images. Received: {str(folder)!r}, which is not a folder.")
    files = files_of(served.kind, root)
    if not files:
        raise InputError(f"Expected {served.kind.noun} in {str(folder)!r}. Received: none.")
    part = table.with_name(f".{table.stem}.unfinished.csv")
    try:
        done = _finished(part, served)
        waiting = [file for file in files if below(file, root) not in done]
        run = Runner(served.function, len(waiting), engine, "predictions" if verbose else None)
        starts: Any = range(0, len(waiting), _CHUNK)
        if verbose and len(waiting) > _CHUNK:
            starts = track(starts, "predicting", transient=True)
        with part.open("a", newline="", encoding="utf-8") as rows:
            for start in starts:
                _write(rows, list(_rows(served, run, waiting[start : start + _CHUNK], root)))
        if table.suffix == ".parquet":
            _as_parquet(part, table)
        else:
            _without_first_line(part, table)
        part.unlink()
    except OSError as error:
        raise DiskError(
            f"The table cannot be written to {str(table)!r}: {error}. The same call goes on from there."
        ) from error
    return table


def _finished(part: Path, served: ServedModel) -> set[str]:
    """Returns the files that have a row, and makes the unfinished table whole: a row that is cut off is dropped."""
    about = json.dumps({"version": str(served.path.absolute()), "class_names": list(served.class_names)})
    if not part.exists():
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", newline="", encoding="utf-8") as rows:
            csv.writer(rows).writerows([[about], [*_COLUMNS, *served.class_names]])
        return set()
    whole, done = 0, set()
    with part.open("rb") as rows:
        for number, line in enumerate(rows):
            if not line.endswith(b"\r\n"):
                break
            whole += len(line)
            cells = next(csv.reader([line.decode("utf-8")]))
            if number == 0 and cells != [about]:
                raise InputError(
                    f"Expected the unfinished table {str(part)!r} to be of this version. Received: one of another. "
                    "Delete it to begin anew."
                )
            if number > 1:
                done.add(cells[0])
    os.truncate(part, whole)
    if whole == 0 or number == 0:
        part.unlink()
        return _finished(part, served)
    return done


def _rows(served: ServedModel, run: Runner, files: Sequence[Path], root: Path) -> Iterator[list[Any]]:
    bad: dict[Path, str] = {}
    try:
        pixels = _pixels(served, files)
    except (tf.errors.OpError, UnicodeEncodeError):  # a file, or its name
        bad = {item.path: item.reason for item in faults_in(served.kind, files)}
        pixels = _pixels(served, [file for file in files if file not in bad])
    outputs = iter(_outputs(run, pixels))
    for file in files:
        name = below(file, root)
        if file in bad:
            yield [name, "", "", bad[file], *[""] * len(served.class_names)]
            continue
        row = next(outputs)
        best = int(row.argmax())
        yield [name, served.class_names[best], f"{row[best]:.7g}", "", *(f"{value:.7g}" for value in row)]


def _outputs(run: Runner, pixels: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(pixels), _BATCH):
        yield from run(pixels[start : start + _BATCH])[0]


def _pixels(served: ServedModel, files: Sequence[Path]) -> np.ndarray:
    examples = Examples(np.array([str(file) for file in files], dtype=object), np.zeros(len(files), np.int64))
    return read_pixels(examples, served.kind) if len(files) else np.zeros((0,), np.uint8)


def _write(rows: Any, chunk: list[list[Any]]) -> None:
    csv.writer(rows).writerows(chunk)
    rows.flush()
    os.fsync(rows.fileno())


def _without_first_line(part: Path, table: Path) -> None:
    staging = part.with_suffix(".whole")
    with part.open("rb") as rows, staging.open("wb") as whole:
        next(rows)
        whole.writelines(rows)
    staging.replace(table)


def _check_parquet() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise InputError("Expected pyarrow for a .parquet file; pip install 'keras-transfer[parquet]'.")


def _as_parquet(part: Path, table: Path) -> None:
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet, string

    staging = part.with_suffix(".whole")
    options = arrow_csv.ReadOptions(skip_rows=1)
    texts = arrow_csv.ConvertOptions(column_types={name: string() for name in ("file", "class_name", "error")})
    with (
        arrow_csv.open_csv(part, read_options=options, convert_options=texts) as batches,
        parquet.ParquetWriter(staging, batches.schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
    staging.replace(table)
