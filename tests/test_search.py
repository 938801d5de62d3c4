"""The search: within its budget, with a leaderboard, the best model, and a folder from which it goes on."""

import csv
import time
from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.selection.spending import Clock, Guard, OutOfTime


@pytest.fixture(scope="module")
def data():
    """Three classes by the shade, which overlap."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    shades = 60 + 60 * labels + rng.normal(0, 40, 150)
    images = rng.normal(shades[:, None, None, None], 40, (150, 32, 32, 3)).clip(0, 255).astype("uint8")
    part = kt.data.from_arrays(images[:120], labels[:120], validation_split=1 / 3, batch_size=20)
    test = kt.data.from_arrays(images[120:], labels[120:]).splits["train"]
    return replace(part, splits={**part.splits, "test": test})


def network(seed=0):
    keras.utils.set_random_seed(seed)
    return kt.build_model(toy_backbone(), 3)


def solve_or_train(trial):
    """A space of one's own: the head alone, or a stage with a rate."""
    if trial.suggest_categorical("what", ["solve", "train"]) == "solve":
        return {"schedule": "solve", "passes": 1}
    rate = trial.suggest_float("rate", 1e-4, 1e-2, log=True)
    return {"schedule": (kt.Phase("solve", "head"), kt.Phase(2, 1, rate)), "tuning": "scale_shift", "passes": 1}


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    cache = kt.Cache("disk", folder=folder / "cache")
    every = {"toy": network(), "large": kt.Candidate("Xception", None)}
    return kt.search(data, 5, candidates=every, trials=2, folder=folder / "kept", cache=cache, verbose=0), folder, every


def test_the_best_model_is_the_first_of_the_leaderboard(found, data):
    result, *_ = found
    assert len(result.trials) == 2 and result.trials[0].plan
    losses = [trial.loss for trial in result.trials if trial.loss is not None]
    assert losses == sorted(losses) and result.best.loss == losses[0]
    metrics = kt.evaluate(result.model, data.validation).metrics
    assert metrics["loss"] == pytest.approx(result.best.loss, rel=1e-4)
    assert metrics["accuracy"] == pytest.approx(result.best.score)
    assert result.report.metrics["accuracy"] == pytest.approx(kt.evaluate(result.model, data.test).metrics["accuracy"])
    assert {trial.plan for trial in result.trials} >= {"recipe fast", "recipe default"}
    assert "71 pixels" in result.left_out["large"]
    assert result.model.class_names == data.class_names


def test_it_is_told_how_the_time_was_spent(found, tmp_path):
    result, *_ = found
    shown = str(result)
    assert "recipe default" in shown and "ranking" in shown and "on the test images" in shown and "left out" in shown
    assert result.looked + sum(trial.seconds for trial in result.trials) <= result.seconds + 0.1
    rows = list(csv.DictReader(result.to_csv(tmp_path / "board.csv").read_text().splitlines()))
    assert [int(row["number"]) for row in rows] == [trial.number for trial in result.trials]
    assert result.to_dict()["best"]["number"] == result.best.number
    assert len(result.plot().axes[0].collections) == 1


def test_a_search_that_ended_goes_on_where_it_was(found, data):
    result, folder, every = found
    cache = kt.Cache("disk", folder=folder / "cache")
    begun = time.perf_counter()
    again = kt.search(data, 5, candidates=every, trials=2, folder=folder / "kept", cache=cache, verbose=0)
    assert [trial.number for trial in again.trials] == [trial.number for trial in result.trials]
    assert again.seconds > 0.9 * result.seconds and time.perf_counter() - begun < 60
    images = data.splits["test"].items.astype("float32")
    np.testing.assert_allclose(
        again.model.predict(images, verbose=0), result.model.predict(images, verbose=0), atol=1e-6
    )
    more = kt.search(data, 5, candidates=every, trials=3, folder=folder / "kept", cache=cache, verbose=0)
    assert len(more.trials) == 3 and {f"best_{more.best.number}.keras", "leaderboard.csv", "search.json"} <= {
        path.name for path in (folder / "kept").iterdir()
    }
    assert len(list((folder / "kept").glob("best_*.keras"))) == 1
    with pytest.raises(kt.InputError, match="of another space"):
        kt.search(data, 5, candidates=every, space=solve_or_train, folder=folder / "kept", verbose=0)
    with pytest.raises(kt.InputError, match="another candidates"):
        kt.search(data, 5, candidates={"toy": network()}, folder=folder / "kept", verbose=0)
    (folder / "kept" / "search.json").write_text("{}")
    with pytest.raises(kt.DiskError, match="cannot be read"):
        kt.search(data, 5, candidates=every, folder=folder / "kept", verbose=0)


def test_a_space_of_ones_own_is_a_function(data):
    result = kt.search(data, 5, candidates={"toy": network()}, space=solve_or_train, trials=2, verbose=0)
    plans = [trial.plan for trial in result.trials]
    assert len(plans) == 2 and all(plan.startswith(("schedule", "tuning")) for plan in plans)


WRONG = [
    (3, "returns a mapping"),
    ({"schedule": "solve", "head": "mlp"}, "linear in the features"),
    ({"learning_rates": 1}, "Did you mean 'learning_rate'"),
    ({"network": "tiny"}, "network"),
    ({"callbacks": 5}, "failed: .*int"),
]


@pytest.mark.parametrize(("plan", "said"), WRONG)
def test_a_space_that_fails_is_told_with_the_reason(plan, said, data):
    """And after five trials, not when the time is over."""
    with pytest.raises(kt.InputError, match=said):
        kt.search(data, 30, candidates={"toy": network()}, space=lambda trial: plan, verbose=0)


def test_a_candidate_may_have_an_image_size_of_its_own(data):
    small = kt.Candidate(network(), image_size=48)
    found = kt.search(data, 5, candidates={"toy": small}, trials=1, verbose=0)
    assert found.model.input_shape[1:3] == (48, 48) and found.report is not None


@pytest.mark.slow
def test_the_budget_is_kept(data):
    def endless(trial):
        return {"schedule": (kt.Phase(100_000, "all", 1e-4),), "passes": 0}

    def first_solved(trial):
        return {"schedule": "solve", "passes": 0} if trial.number == 0 else endless(trial)

    begun = time.perf_counter()
    result = kt.search(data, 0.4, candidates={"toy": network()}, space=first_solved, verbose=0)
    assert time.perf_counter() - begun < 1.1 * 24 + 3  # of the evaluation on the test images, on a busy machine
    states = {trial.state for trial in result.trials}
    assert "done" in states and "out of time" in states


def test_a_budget_below_one_pass_says_what_would_do(data):
    with pytest.raises(kt.InputError, match="loading toy and a pass of it over 120 images take about"):
        kt.search(data, 0.01, candidates={"toy": network()}, verbose=0)


def test_data_and_candidates_are_looked_at_first(data):
    with pytest.raises(kt.InputError, match="validation split"):
        kt.search(replace(data, splits={"train": data.splits["train"]}), 1)
    with pytest.raises(kt.InputError, match="71 pixels"):
        kt.search(data, 1, candidates=[kt.Candidate("Xception", None)], verbose=0)
    with pytest.raises(kt.InputError, match="minutes"):
        kt.search(data, 0)


def test_a_training_ends_when_the_budget_is_spent(data):
    model = network()
    with pytest.raises(OutOfTime):
        kt.fine_tune(model, data, schedule="gradual", callbacks=[Guard(Clock(0))], cache=False, verbose=0)


def test_a_clock_learns_how_long_trials_take():
    clock = Clock(100)
    before = clock.expected(2, 10)
    clock.learn(2, 10, 4 * before)
    assert clock.expected(2, 10) == pytest.approx(2.5 * before)
    assert 0 <= clock.spent < 1 and Clock(100, 40).spent >= 40
