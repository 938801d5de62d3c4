"""Whether a network sees the same in large JPEGs that are decoded at reduced scale: its classes, and the pixels."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from accuracy import DATA, WEIGHTS
from measure import machine

WHOLE = 10**6  # a side that no picture reaches


def photographs() -> list[bytes]:
    """Returns the ants and bees."""
    return [path.read_bytes() for path in sorted((DATA / "hymenoptera").rglob("*.jpg"))]


def enlarged(content: bytes, rng: np.random.Generator) -> bytes:
    """Returns a photograph as a camera of 12 megapixels would store it: enlarged, with noise of its own."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content)).convert("RGB")
    scale = 3000 / min(picture.size)
    large = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    noise = rng.normal(scale=6, size=(large.height, large.width, 1))
    stored = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(large) + noise, 0, 255).astype("uint8")).save(stored, "JPEG", quality=92)
    return stored.getvalue()


def main() -> None:
    """Compares MobileNet's ImageNet classes on both, and prints a table."""
    import keras

    from keras_transfer.data.images import decode
    from keras_transfer.data.resizing import RESIZES

    claim = "decoding at reduced scale beside the whole, MobileNet 0.25 with its ImageNet classes"
    rows: dict[str, dict[str, float]] = {}
    print(
        f"\n{claim}\n| photographs | images | scale | same top-1 | mean difference of pixels |\n|---|---|---|---|---|"
    )
    if not DATA.is_dir() or not WEIGHTS.is_dir():
        print(f"| needs {DATA} and {WEIGHTS} | | | | |")
        print(json.dumps({"claim": claim, "machine": machine(), "results": rows}))
        return
    crop, rng = RESIZES.find("crop"), np.random.default_rng(0)
    weights = str(Path(WEIGHTS) / "mobilenet_0.25_224.weights.h5")
    files = photographs()
    sets = {
        "as they are, at 160x160": (files, 160, 80),
        "enlarged to 12 megapixels, at 224x224": ([enlarged(content, rng) for content in files[::4]], 224, 224),
    }
    for name, (contents, side, wanted) in sets.items():
        network = keras.applications.MobileNet(alpha=0.25, weights=weights, input_shape=(side, side, 3))
        classes, pixels, scales = [], [], []
        for content in contents:
            whole, reduced = decode(tf.constant(content), WHOLE), decode(tf.constant(content), wanted)
            if whole.shape == reduced.shape:
                continue  # too small to be reduced
            pair = np.stack([crop(picture, (side, side)).numpy() for picture in (whole, reduced)])
            classes.append(network(keras.applications.mobilenet.preprocess_input(pair.copy())).numpy().argmax(axis=1))
            pixels.append(np.abs(pair[0] - pair[1]).mean())
            scales.append(round(whole.shape[0] / reduced.shape[0]))
        same = float(np.mean([first == second for first, second in classes]))
        rows[name] = {"images": len(classes), "same": same, "difference": float(np.mean(pixels))}
        shown = "/".join(f"1/{scale}" for scale in sorted({*scales}))
        print(f"| {name} | {len(classes)} | {shown} | {same:.4f} | {np.mean(pixels):.2f} of 255 |", flush=True)
    print(json.dumps({"claim": claim, "machine": machine(), "results": rows}))


if __name__ == "__main__":
    sys.exit(main())
