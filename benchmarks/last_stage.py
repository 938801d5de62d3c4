"""One epoch with the last stage of a network open, after the first one, which traces and fills the cache."""

from __future__ import annotations

from statistics import median

from measure import NETWORKS, WORK, in_turn, photographs, report
from recipes import EpochTimes, keras_data, keras_model, keras_phase, our_data, our_model

import keras_transfer as kt
from keras_transfer.models import layers_by_part

EPOCHS = 4


def main() -> None:
    """Runs plain Keras and ours in turn for each network."""
    rows = {}
    for network in NETWORKS:
        with photographs(WORK[network].train, WORK[network].validation) as folder:

            def plain(network: str = network, folder=folder) -> float:
                stage = layers_by_part(whole := our_model(network))[kt.stages(whole)[-1]]
                times = EpochTimes()
                names = [layer.name for layer in stage]
                keras_phase(keras_model(network), keras_data(folder), names, 1e-5, EPOCHS, times)
                return median(times.seconds[1:])

            def ours(network: str = network, folder=folder) -> float:
                times = EpochTimes()
                phases = (kt.Phase(EPOCHS, 1, 1e-5),)
                kt.fine_tune(our_model(network), our_data(folder), schedule=phases, callbacks=[times], verbose=0)
                return median(times.seconds[1:])

            rows[f"{network}, {WORK[network].train} images"] = in_turn({"plain Keras": plain, "keras_transfer": ours})
    report("last stage open, one epoch", rows)


if __name__ == "__main__":
    main()
