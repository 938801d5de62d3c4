"""model.json: describes the input and output of a file for another runtime, for use without this package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from keras_transfer._version import __version__
from keras_transfer.data.kinds import Images
from keras_transfer.data.text.tokenizing import FOLDER
from keras_transfer.runtimes.report import RuntimeResult
from keras_transfer.serving.description import read_description

FILE = "model.json"


def write_description(folder: Path, result: RuntimeResult, version: Path) -> None:
    """Writes `model.json` with the input, the output and the measurements of a file.

    Args:
        folder: folder of the file, to write to.
        result: the measurements; its `path` gives the file name.
        version: folder of the version that was converted.
    """
    description = read_description(version)
    kind = description.kind
    content: dict[str, Any] = {
        "format": result.format,
        "file": result.path.name if result.path else None,
        "input": {
            "name": kind.tensor,
            "dtype": kind.dtype.name,
            "shape": [None, *kind.spec.shape],
            **(_of_images(kind) if isinstance(kind, Images) else kind.described()),
        },
        "output": {"name": description.output, "dtype": "float32", "shape": [None, len(description.class_names)]},
        "class_names": list(description.class_names),
        "activation": description.activation,
        "measured": {
            name: value
            for name, value in result.to_dict().items()
            if name not in ("format", "path", "worst", "error", "milliseconds")
        }
        | {"images": result.images},
        "source": {"version": version.name, "keras_transfer": __version__},
    }
    if (version / FOLDER).is_dir():
        shutil.copytree(version / FOLDER, folder / FOLDER)
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _of_images(kind: Images) -> dict[str, Any]:
    """Returns what a client has to know of the pixels."""
    return {"range": [0, 255], "channels": "RGB" if kind.channels == 3 else "grey", "resize": kind.resize}
