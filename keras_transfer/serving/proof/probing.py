"""A script that loads a SavedModel with TensorFlow alone, runs its signatures, and writes their outputs to files.

It reads one line of JSON from standard input, with two keys. `version` is the folder of the SavedModel. `files` is a
list of pairs of paths: a file with pictures and pixels to read, and a file for the outputs to write. The script is
started before the SavedModel is written, because importing TensorFlow takes seconds.
"""

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for name in ("keras_transfer", "keras", "keras_hub"):
        sys.modules[name] = None  # type: ignore[assignment]  # as if they were not installed

import numpy as np
import tensorflow as tf

BATCH = 8


def answers_of(module: Any, encoded: list[bytes], pixels: np.ndarray, class_ids: np.ndarray) -> dict[str, np.ndarray]:
    """Runs every signature of a SavedModel on all pictures.

    Args:
        module: the loaded SavedModel.
        encoded: bytes of image files.
        pixels: uint8 `(count, height, width, 3)`.
        class_ids: int64 `(count,)`, the classes to explain.

    Returns:
        Arrays by signature and output, such as "features/features".
    """
    content = np.array(encoded, dtype=object)
    contents = dict.fromkeys(("image_bytes", "audio_bytes", "text"), content)
    tensors = dict.fromkeys(("images", "waveforms", "tokens"), pixels)
    inputs = {**contents, **tensors, "class_ids": class_ids}
    found: dict[str, list[np.ndarray]] = {}
    for name, signature in module.signatures.items():
        specs = signature.structured_input_signature[1]
        if not set(specs) <= set(inputs):
            continue  # a signature that TensorFlow added
        widths = [side for spec in signature.structured_outputs.values() for side in spec.shape[1:]]
        # batches of answers of several lengths could not be joined
        step = max(len(encoded), 1) if None in widths else BATCH
        for start in range(0, len(encoded), step):
            given = {key: inputs[key][start : start + step] for key in specs}
            fed = {key: tf.constant(value.astype(specs[key].dtype.as_numpy_dtype)) for key, value in given.items()}
            for output, value in signature(**fed).items():
                found.setdefault(f"{name}/{output}", []).append(value.numpy())
    joined = {key: np.concatenate(batches) for key, batches in found.items()}
    return {key: values.astype(bytes) if values.dtype == object else values for key, values in joined.items()}


def main() -> None:
    """Reads the line from standard input and writes the output files."""
    task = json.loads(sys.stdin.readline())
    if (Path(task["version"]) / "tokenizer").is_dir():  # TF Serving has these operations; tensorflow-text imports Keras
        del sys.modules["keras"]
        import tensorflow_text  # noqa: F401
    module = tf.saved_model.load(task["version"])
    for request_file, answer_file in task["files"]:
        with np.load(request_file) as request:
            ends, content, pixels = np.cumsum(request["lengths"]), request["content"].tobytes(), request["pixels"]
            class_ids = request["outputs"].argmax(axis=1) if "outputs" in request else np.full(len(ends), -1)
        encoded = [content[start:end] for start, end in zip((0, *ends[:-1]), ends, strict=True)]
        np.savez(answer_file, **answers_of(module, encoded, pixels, class_ids))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
