"""Every callback of Keras works in both roads, with and without a monitor: `fine_tune`, cached or not, and `fit`."""

from __future__ import annotations

import http.server
import itertools
import threading

import keras
import pytest
from conftest import mostly_slow, toy_backbone

import keras_transfer as kt

MONITORS = {"val_accuracy": "max", "accuracy": "max", "val_loss": "min", "loss": "min", "val_agreement": "max"}
ROADS = ("cached", "fit", "uncached")
LEFT_OUT = {
    "Callback": "the base class",
    "CallbackList": "no callback of its own, but a list of them",
    "ProgbarLogger": "Keras adds it by itself where verbose is above 0",
    "OrbaxCheckpoint": "needs orbax, which Keras does not install",
}


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


class Agreement(keras.metrics.SparseCategoricalAccuracy):
    """A metric of one's own, whose direction Keras asks the model for."""

    def __init__(self, name: str = "agreement", **options):
        super().__init__(name=name, **options)


def run(road: str, data, *callbacks, epochs: int = 3) -> keras.callbacks.History:
    """Trains a toy model along one of the roads: head alone, then all of it."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    phases = (kt.Phase(epochs - 1, "head", 1e-2), kt.Phase(1, "all", 1e-4))
    metrics = ["accuracy", Agreement()]
    if road != "fit":
        options = {"cache": "auto" if road == "cached" else False, "verbose": 0}
        return kt.fine_tune(model, data, schedule=phases, metrics=metrics, callbacks=callbacks, **options)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics)
    every = [kt.UnfreezeSchedule(phases), *callbacks]
    return model.fit(
        data.train, validation_data=data.validation, epochs=epochs, callbacks=every, shuffle=False, verbose=0
    )


@pytest.mark.parametrize("road", mostly_slow(ROADS))
def test_callbacks_that_watch_a_metric_find_its_direction(road, data, tmp_path):
    kinds = keras.callbacks
    watching = {
        monitor: [
            kinds.EarlyStopping(monitor, patience=9),
            kinds.ReduceLROnPlateau(monitor, patience=9),
            kinds.ModelCheckpoint(tmp_path / f"{monitor}.keras", monitor, save_best_only=True),
        ]
        for monitor in MONITORS
    }
    history = run(road, data, *itertools.chain(*watching.values()))
    for monitor, callbacks in watching.items():
        best = {"max": max, "min": min}[MONITORS[monitor]](history.history[monitor])
        assert [callback.best for callback in callbacks] == [best] * 3
        assert keras.models.load_model(tmp_path / f"{monitor}.keras", compile=False).output_shape == (None, 3)


@pytest.mark.parametrize("road", mostly_slow(ROADS, fast=2))
def test_early_stopping_by_accuracy_stops_when_it_gets_no_better(road, data):
    stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=1, min_delta=2.0)  # nothing is that much better
    assert len(run(road, data, stopping, epochs=6).epoch) == 2


@pytest.fixture
def monitored():
    """A server that counts the reports it is sent, for RemoteMonitor."""
    reports = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            reports.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            """Keeps the test's output clean."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", reports
    server.shutdown()
    server.server_close()


def without_monitor(tmp_path, address) -> dict[str, keras.callbacks.Callback]:
    """Makes each callback of Keras with as few arguments as it takes."""
    kinds = keras.callbacks
    return {
        "BackupAndRestore": kinds.BackupAndRestore(tmp_path / "backup"),
        "CSVLogger": kinds.CSVLogger(tmp_path / "log.csv"),
        "EarlyStopping": kinds.EarlyStopping(),
        "History": kinds.History(),
        "LambdaCallback": kinds.LambdaCallback(on_epoch_end=lambda epoch, logs: (tmp_path / "seen").touch()),
        "LearningRateScheduler": kinds.LearningRateScheduler(lambda epoch, rate: rate),
        "ModelCheckpoint": kinds.ModelCheckpoint(tmp_path / "last.keras"),
        "ReduceLROnPlateau": kinds.ReduceLROnPlateau(),
        "RemoteMonitor": kinds.RemoteMonitor(address),
        "SwapEMAWeights": kinds.SwapEMAWeights(),
        "TensorBoard": kinds.TensorBoard(tmp_path / "board", histogram_freq=1),
        "TerminateOnNaN": kinds.TerminateOnNaN(),
    }


def test_the_table_lists_every_callback_of_keras(tmp_path):
    listed = {*without_monitor(tmp_path, ""), *LEFT_OUT}
    assert listed == {name for name in dir(keras.callbacks) if name[0].isupper()}


@pytest.mark.parametrize("road", mostly_slow(ROADS))
def test_callbacks_without_a_monitor_run_through_all_phases(road, data, tmp_path, monitored):
    address, reports = monitored
    callbacks = without_monitor(tmp_path, address)
    del callbacks["SwapEMAWeights"]  # refuses an optimizer without averages; tests of use_ema run it
    history = run(road, data, *callbacks.values())
    assert history.epoch == [0, 1, 2] == callbacks["History"].epoch
    assert len(reports) == 3 and len((tmp_path / "log.csv").read_text().splitlines()) == 4
    assert (tmp_path / "seen").exists() and (tmp_path / "last.keras").exists()
    assert any((tmp_path / "board").rglob("events.*"))
