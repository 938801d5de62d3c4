"""Whether networks see the same in large JPEGs that are decoded at reduced scale: their classes, and the pixels.

The ants and bees, enlarged to 12 megapixels with noise as a camera adds it, decoded whole and reduced. Beside it, to
judge the figures by, the same photographs stored once more as JPEG of quality 95 and decoded whole.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from accuracy import DATA, WEIGHTS
from measure import machine

SIZE = (224, 224)
WHOLE = 10**6  # a side that no picture reaches
CLAIM = "decoding 12 megapixels at reduced scale for 224x224, beside the whole"


def enlarged(path: Path, rng: np.random.Generator) -> tuple[bytes, bytes]:
    """Returns a photograph as a camera of 12 megapixels would store it, and the same stored once more."""
    from PIL import Image

    picture = Image.open(path).convert("RGB")
    scale = 3000 / min(picture.size)
    large = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    noise = rng.normal(scale=6, size=(large.height, large.width, 1))
    first, second = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.clip(np.asarray(large) + noise, 0, 255).astype("uint8")).save(first, "JPEG", quality=92)
    Image.open(first).save(second, "JPEG", quality=95)
    return first.getvalue(), second.getvalue()


def networks(paths: list[Path]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Returns functions from images to classes: of a transfer model for ants and bees, and of ImageNet's classes."""
    import keras
    from sklearn.linear_model import LogisticRegression

    from keras_transfer.data.pixels.images import load_image

    preprocess = keras.applications.mobilenet.preprocess_input
    base = keras.applications.MobileNetV2(
        weights=str(WEIGHTS / "mobilenetv2_1.0_224_notop.weights.h5"),
        include_top=False,
        pooling="avg",
        input_shape=(*SIZE, 3),
    )
    whole = keras.applications.MobileNet(alpha=0.25, weights=str(WEIGHTS / "mobilenet_0.25_224.weights.h5"))
    features = lambda images: base.predict(preprocess(images.copy()), verbose=0)  # noqa: E731
    train = [path for path in paths if "train" in path.parts]
    images = np.stack([load_image(tf.io.read_file(str(path)), SIZE, "crop") for path in train])
    head = LogisticRegression(C=0.1, max_iter=1000).fit(features(images), [path.parent.name for path in train])
    return {
        "MobileNetV2 1.0, ants or bees": lambda images: head.predict(features(images)),
        "MobileNet 0.25, ImageNet's 1,000 classes": lambda images: whole.predict(
            preprocess(images.copy()), verbose=0
        ).argmax(axis=1),
    }


def main() -> None:
    """Compares classes and pixels, and prints a table."""
    from keras_transfer.data.pixels.images import load_image

    results: dict[str, dict[str, float]] = {}
    print(
        f"\n{CLAIM}\n| network | photographs | same top-1, reduced | same top-1, stored once more |\n|---|---|---|---|"
    )
    if DATA.is_dir() and WEIGHTS.is_dir():
        paths, rng = sorted((DATA / "hymenoptera").rglob("*.jpg")), np.random.default_rng(0)
        seen: dict[str, list[np.ndarray]] = {"whole": [], "reduced": [], "again": []}
        for path in paths[::2]:
            first, second = map(tf.constant, enlarged(path, rng))
            seen["reduced"].append(load_image(first, SIZE, "crop").numpy())
            for name, content in (("whole", first), ("again", second)):
                seen[name].append(_decoded_whole(content))
        stacked = {name: np.stack(images) for name, images in seen.items()}
        for name, classes_of in networks(paths).items():
            classes = {key: classes_of(images) for key, images in stacked.items()}
            same = {key: float(np.mean(classes[key] == classes["whole"])) for key in ("reduced", "again")}
            results[name] = same
            print(f"| {name} | {len(classes['whole'])} | {same['reduced']:.4f} | {same['again']:.4f} |")
        pixels = {key: float(np.abs(stacked[key] - stacked["whole"]).mean()) for key in ("reduced", "again")}
        results["pixels"] = pixels
        print(f"| mean difference of pixels, of 255 | | {pixels['reduced']:.2f} | {pixels['again']:.2f} |")
    else:
        print(f"| needs {DATA.name} and {WEIGHTS.name} | | | |")
    print(json.dumps({"claim": CLAIM, "machine": machine(), "results": results}))


def _decoded_whole(content: tf.Tensor) -> np.ndarray:
    from keras_transfer.data.pixels.images import decode
    from keras_transfer.data.pixels.resizing import RESIZES

    return np.round(RESIZES.find("crop")(decode(content, WHOLE), SIZE).numpy())


if __name__ == "__main__":
    main()
