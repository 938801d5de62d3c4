"""Twenty epochs of a new head on a frozen network, end to end: reading, the frozen part, training, validation."""

from __future__ import annotations

from measure import NETWORKS, WORK, in_turn, photographs, report, timed
from recipes import keras_data, keras_model, keras_phase, our_data, our_model

import keras_transfer as kt

EPOCHS = 20


def main() -> None:
    """Runs plain Keras and ours in turn for each network."""
    rows = {}
    for network in NETWORKS:
        with photographs(WORK[network].train, WORK[network].validation) as folder:

            def plain(network: str = network, folder=folder) -> float:
                model = keras_model(network)
                return timed(lambda: keras_phase(model, keras_data(folder), (), 1e-3, EPOCHS))

            def ours(network: str = network, folder=folder) -> float:
                model = our_model(network)
                phases = (kt.Phase(EPOCHS, "head", 1e-3),)
                return timed(lambda: kt.fine_tune(model, our_data(folder), schedule=phases, verbose=0))

            rows[f"{network}, {WORK[network].train} images"] = in_turn({"plain Keras": plain, "keras_transfer": ours})
    report(f"frozen network, new head, {EPOCHS} epochs end to end", rows)


if __name__ == "__main__":
    main()
