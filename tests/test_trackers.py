"""Tools that watch trainings: what of them works with `fine_tune` and with `fit`; docs/tracking.md says the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from networks import toy_backbone

import keras_transfer as kt

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of the tools: deprecations, resources that they leave open
    pytest.mark.filterwarnings("error::keras_transfer.DataWarning"),
]
EPOCHS = 3  # of three phases
ROADS = ("fine_tune", pytest.param("fit", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def data():
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype("uint8")
    return kt.data.from_arrays(images, np.arange(12) % 3)


def train(road, data, *callbacks, rate=1e-3):
    model = kt.build_model(toy_backbone(), 3)
    if road == "fine_tune":
        return kt.fine_tune(
            model, data, schedule="gradual", epochs=EPOCHS, learning_rate=rate, callbacks=callbacks, verbose=0
        )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    schedule = kt.UnfreezeSchedule("gradual", epochs=EPOCHS, learning_rate=rate)
    return model.fit(
        data.train,
        validation_data=data.validation,
        epochs=EPOCHS,
        callbacks=[schedule, *callbacks],
        shuffle=False,
        verbose=0,
    )


@pytest.mark.parametrize("road", ROADS)
def test_tensorboard_has_every_epoch(road, data, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(road, data, keras.callbacks.TensorBoard(str(tmp_path)))
    for part, name in (("train", "epoch_loss"), ("validation", "epoch_accuracy")):
        events = EventAccumulator(str(tmp_path / part))
        events.Reload()
        assert [event.step for event in events.Tensors(name)] == list(range(EPOCHS))


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    import mlflow

    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    mlflow.set_experiment("toys")
    yield mlflow
    mlflow.tensorflow.autolog(disable=True)
    while mlflow.active_run():
        mlflow.end_run()


def steps_of_runs(mlflow) -> list[list[int]]:
    client = mlflow.MlflowClient()
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return sorted([step.step for step in client.get_metric_history(run.info.run_id, "val_loss")] for run in runs)


@pytest.mark.parametrize("road", ROADS)
def test_the_callback_of_mlflow_has_every_epoch(road, data, mlflow):
    with mlflow.start_run():
        train(road, data, mlflow.tensorflow.MlflowCallback())
    assert steps_of_runs(mlflow) == [list(range(EPOCHS))]


def test_autolog_of_mlflow_has_every_epoch_of_fit(data, mlflow):
    mlflow.tensorflow.autolog(log_models=False, log_datasets=False, checkpoint=False, silent=True)
    train("fit", data)
    assert steps_of_runs(mlflow) == [list(range(EPOCHS))]


def test_autolog_of_mlflow_makes_a_run_of_each_phase_of_fine_tune_and_that_is_said(data, mlflow):
    mlflow.tensorflow.autolog(log_models=False, log_datasets=False, checkpoint=False, silent=True)
    with pytest.warns(kt.DataWarning, match="MlflowCallback"):
        train("fine_tune", data)
    runs = steps_of_runs(mlflow)
    assert len(runs) > 1 and sorted(step for run in runs for step in run) == list(range(EPOCHS))


@pytest.mark.slow
@pytest.mark.parametrize("road", ["fine_tune", "fit"])
def test_weights_and_biases_has_every_epoch(road, data, tmp_path, monkeypatch):
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_DIR", str(tmp_path))):
        monkeypatch.setenv(name, value)
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    run = wandb.init(project="tests", dir=str(tmp_path))
    history = train(road, data, WandbMetricsLogger())
    found = dict(run.summary)
    wandb.finish()
    assert found["epoch/epoch"] == EPOCHS - 1 and found["_step"] == EPOCHS - 1
    assert found["epoch/val_loss"] == pytest.approx(history.history["val_loss"][-1], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("road", ["fine_tune", "fit"])
def test_kerastuner_searches(road, data, tmp_path):
    import keras_tuner

    class Search(keras_tuner.HyperModel):
        def build(self, hp):
            self.rate = hp.Float("rate", 1e-4, 1e-2, sampling="log")
            return kt.build_model(toy_backbone(), 3)

        def fit(self, hp, model, data, **options):
            return train(road, data, *options["callbacks"], rate=self.rate)

    tuner = keras_tuner.RandomSearch(
        Search(), objective="val_loss", max_trials=2, directory=str(tmp_path), project_name="search"
    )
    tuner.search(data, verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert len(trials) == 2 and all(np.isfinite(trial.score) for trial in trials)
