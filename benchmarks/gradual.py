"""Head, last stage, last two stages: twenty epochs end to end."""

from __future__ import annotations

from pathlib import Path

from measure import side_by_side, timed
from recipes import keras_data, keras_model, keras_phase, our_data, our_model, stage_layers

import keras_transfer as kt

PHASES = (kt.Phase(10, "head", 1e-3), kt.Phase(5, 1, 1e-5), kt.Phase(5, 2, 1e-5))


def plain(network: str, folder: Path) -> float:
    """Times the recipe of Keras' guide, compiled again for each phase."""
    model = keras_model(network)
    opened = [stage_layers(network, number) for number in range(len(PHASES))]

    def run() -> None:
        data = keras_data(folder)
        for phase, layers in zip(PHASES, opened, strict=True):
            keras_phase(model, data, layers, phase.learning_rate, phase.epochs)

    return timed(run)


def ours(network: str, folder: Path) -> float:
    """Times fine_tune."""
    model = our_model(network)
    return timed(lambda: kt.fine_tune(model, our_data(folder), schedule=PHASES, verbose=0))


if __name__ == "__main__":
    claim = "three phases: head 10 epochs, last stage 5, last two 5"
    side_by_side(claim, {"plain Keras": plain, "keras_transfer": ours})
