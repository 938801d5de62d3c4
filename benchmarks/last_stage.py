"""One epoch with the last stage of a network open, after the first one, which traces and fills the cache."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from measure import side_by_side
from recipes import EpochTimes, keras_data, keras_model, keras_phase, our_data, our_model, stage_layers

import keras_transfer as kt

EPOCHS = 4


def plain(network: str, folder: Path) -> float:
    """Times the recipe of Keras' guide."""
    times = EpochTimes()
    keras_phase(keras_model(network), keras_data(folder), stage_layers(network, 1), 1e-5, EPOCHS, times)
    return median(times.seconds[1:])


def ours(network: str, folder: Path) -> float:
    """Times fine_tune."""
    times = EpochTimes()
    phases = (kt.Phase(EPOCHS, 1, 1e-5),)
    kt.fine_tune(our_model(network), our_data(folder), schedule=phases, callbacks=[times], verbose=0)
    return median(times.seconds[1:])


if __name__ == "__main__":
    side_by_side("last stage open, one epoch", {"plain Keras": plain, "keras_transfer": ours})
