"""Twenty epochs of a new head on a frozen network, end to end: reading, the frozen part, training, validation."""

from __future__ import annotations

from pathlib import Path

from measure import side_by_side, timed
from recipes import hub_model, keras_data, keras_fit, keras_model, our_data, our_model

import keras_transfer as kt

EPOCHS = 20


def plain(network: str, folder: Path) -> float:
    """Times the recipe of Keras' guide."""
    model = keras_model(network)
    return timed(lambda: keras_fit(model, keras_data(folder), 1e-3, EPOCHS))


def hub(network: str, folder: Path) -> float:
    """Times the task of KerasHub."""
    model = hub_model(network)
    return timed(lambda: keras_fit(model, keras_data(folder), 1e-3, EPOCHS))


def ours(network: str, folder: Path) -> float:
    """Times fine_tune."""
    model = our_model(network)
    phases = (kt.Phase(EPOCHS, "head", 1e-3),)
    return timed(lambda: kt.fine_tune(model, our_data(folder), schedule=phases, verbose=0))


if __name__ == "__main__":
    side_by_side(
        f"frozen network, new head, {EPOCHS} epochs end to end",
        {"plain Keras": plain, "KerasHub": hub, "keras_transfer": ours},
        applies=lambda way, network: way != "KerasHub" or hub_model(network) is not None,
    )
