"""Head, last stage, last two stages: twenty epochs end to end."""

from __future__ import annotations

from measure import NETWORKS, WORK, in_turn, photographs, report, timed
from recipes import keras_data, keras_model, keras_phase, our_data, our_model

import keras_transfer as kt
from keras_transfer.models import layers_by_part

PHASES = (kt.Phase(10, "head", 1e-3), kt.Phase(5, 1, 1e-5), kt.Phase(5, 2, 1e-5))


def main() -> None:
    """Runs plain Keras and ours in turn for each network."""
    rows = {}
    for network in NETWORKS:
        with photographs(WORK[network].train, WORK[network].validation) as folder:

            def plain(network: str = network, folder=folder) -> float:
                parts = layers_by_part(whole := our_model(network))
                names = kt.stages(whole)
                model = keras_model(network)

                def run() -> None:
                    data = keras_data(folder)
                    for number, phase in enumerate(PHASES):
                        opened = names[len(names) - number :]
                        layers = [layer.name for part in opened for layer in parts[part]]
                        keras_phase(model, data, layers, phase.learning_rate, phase.epochs)

                return timed(run)

            def ours(network: str = network, folder=folder) -> float:
                model = our_model(network)
                return timed(lambda: kt.fine_tune(model, our_data(folder), schedule=PHASES, verbose=0))

            rows[f"{network}, {WORK[network].train} images"] = in_turn({"plain Keras": plain, "keras_transfer": ours})
    report("three phases: head 10 epochs, last stage 5, last two 5", rows)


if __name__ == "__main__":
    main()
