"""Filling the cache against one `model.predict` over the same images, reading included in both."""

from __future__ import annotations

from pathlib import Path

from measure import side_by_side, timed
from recipes import our_data, our_model

import keras_transfer as kt


def predict(network: str, folder: Path) -> float:
    """Times Keras' predict of the frozen part."""
    prefix = kt.split(our_model(network), "features")[0]
    data = our_data(folder)
    return timed(lambda: prefix.predict(data.in_order("train"), verbose=0))


def ours(network: str, folder: Path) -> float:
    """Times the filling of the cache."""
    model = our_model(network)
    data = our_data(folder)
    only = kt.data.ImageData({"train": data.splits["train"]}, data.class_names, data.image_size)
    return timed(lambda: kt.CachedDataset(model, only, verbose=0))


if __name__ == "__main__":
    claim = "extraction, one pass (a ratio of 0.8 is 1.25 times the seconds of predict)"
    side_by_side(claim, {"model.predict": predict, "cache": ours})
