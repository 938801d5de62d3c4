"""Filling the cache against one `model.predict` over the same images, reading included in both."""

from __future__ import annotations

from measure import NETWORKS, WORK, in_turn, photographs, report, timed
from recipes import our_data, our_model

import keras_transfer as kt


def main() -> None:
    """Runs predict and the cache in turn for each network, each freshly built and traced."""
    rows = {}
    for network in NETWORKS:
        with photographs(WORK[network].train, 2) as folder:
            data = our_data(folder)

            def predict(network: str = network, data=data) -> float:
                prefix = kt.split(our_model(network), "features")[0]
                batches = data.in_order("train")
                return timed(lambda: prefix.predict(batches, verbose=0))

            def ours(network: str = network, data=data) -> float:
                model = our_model(network)
                only = kt.data.ImageData({"train": data.splits["train"]}, data.class_names, data.image_size)
                return timed(lambda: kt.CachedDataset(model, only, verbose=0))

            rows[f"{network}, {WORK[network].train} images"] = in_turn({"model.predict": predict, "cache": ours})
    report("extraction, one pass (a ratio of 0.8 is 1.25 times the seconds of predict)", rows)


if __name__ == "__main__":
    main()
