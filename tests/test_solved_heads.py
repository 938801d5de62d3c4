"""A head that is solved in `fine_tune`: History, path, tasks, resuming, what can be solved and what cannot."""

import keras
import numpy as np
import pytest
from conftest import mostly_slow, toy_backbone

import keras_transfer as kt
from keras_transfer._checks import InputError
from keras_transfer.data.examples import Examples

SOLVE = kt.Phase("solve", "head")


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


def relabelled(data, labels_of, class_names, **options):
    """The same images with other labels."""
    splits = {name: Examples(part.items, labels_of(part.labels)) for name, part in data.splits.items()}
    return kt.data.ImageData(splits, class_names, data.image_size, batch_size=8, **options)


def test_solve_is_one_epoch_of_a_plain_model(toy, data, tmp_path, capsys):
    frozen = [layer.get_weights() for layer in toy.layers if layer.name != "logits"]
    history = kt.fine_tune(toy, data, schedule="solve", verbose=2)
    assert history.epoch == [0] and history.boundaries == [] and history.phases == (SOLVE,)
    assert sorted(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    evaluated = toy.evaluate(data.validation, verbose=0, return_dict=True)
    assert history.history["val_loss"] == pytest.approx([evaluated["loss"]], abs=1e-5)
    assert history.history["val_accuracy"] == pytest.approx([evaluated["accuracy"]])
    assert history.history["val_accuracy"][0] > 0.9
    assert {"C", "loss", "deviation", "accuracy", "chosen"} == set(history.path[0])
    assert sum(tried["chosen"] for tried in history.path) == 1
    assert "head: solved with C=" in capsys.readouterr().out
    for before, after in zip(frozen, (x.get_weights() for x in toy.layers if x.name != "logits"), strict=True):
        assert all(map(np.array_equal, before, after))
    toy.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images = next(iter(data.validation))[0]
    assert np.array_equal(again.predict(images, verbose=0), toy.predict(images, verbose=0))


@pytest.mark.parametrize("cache", mostly_slow(["memory", False, "disk"], fast=2))
def test_stages_open_from_the_solved_head(toy, data, cache):
    phases = (SOLVE, kt.Phase(1, 1, 1e-6), kt.Phase(1, "all", 1e-6))
    history = kt.fine_tune(toy, data, schedule=phases, cache=cache, verbose=0)
    assert history.epoch == [0, 1, 2] and history.boundaries == [1, 2]
    losses = history.history["val_loss"]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-2), "tiny steps leave the optimum where it is"


def test_fine_tuning_never_ends_below_the_solved_head(toy, data):
    data = relabelled(data, np.random.default_rng(0).permutation, data.class_names)  # nothing to learn, but by heart
    history = kt.fine_tune(toy, data, schedule=(SOLVE, kt.Phase(1, "all", 0.01)), verbose=0)
    assert history.history["val_loss"][1] > history.history["val_loss"][0]
    loss = toy.evaluate(data.validation, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(history.history["val_loss"][0], abs=1e-5)


def test_a_head_may_be_solved_again_for_stages_that_were_trained(toy, data):
    phases = (kt.Phase(1, "head", 1e-2), kt.Phase(1, "all", 1e-4), SOLVE)
    history = kt.fine_tune(toy, data, schedule=phases, verbose=0)
    assert history.epoch == [0, 1, 2] and len(history.path) > 2
    assert history.history["loss"][2] < history.history["loss"][0]


def test_averages_of_weights_start_at_the_solved_head(toy, data):
    optimizer = keras.optimizers.Adam(use_ema=True)
    history = kt.fine_tune(toy, data, schedule=(SOLVE, kt.Phase(1, 1, 1e-6)), optimizer=optimizer, verbose=0)
    losses = history.history["val_loss"]
    assert losses == pytest.approx([losses[0]] * 2, rel=1e-2)


def test_augmented_images_are_solved_as_they_are_or_in_their_views(toy, data):
    augmented = kt.data.ImageData(data.splits, data.class_names, data.image_size, batch_size=8, augment="light")
    first = kt.fine_tune(toy, data, schedule="solve", verbose=0).history
    assert kt.fine_tune(toy, augmented, schedule="solve", verbose=0).history == first
    history = kt.fine_tune(toy, augmented, schedule="solve", cache=kt.Cache("memory", views=3), verbose=0)
    assert history.history["loss"] != first["loss"] and history.history["val_accuracy"][0] > 0.9


def test_several_labels_with_some_unknown_are_solved(data):
    model = kt.build_model(toy_backbone(), 2, image_size=32, activation="sigmoid")

    def several_of(labels):
        second = np.where(np.arange(len(labels)) % 4, labels == 1, -1)
        return np.stack([labels == 0, second], axis=1).astype(int)

    several = relabelled(data, several_of, ("a", "b"))
    history = kt.fine_tune(model, several, schedule="solve", verbose=0)
    loss = model.evaluate(several.validation, verbose=0, return_dict=True)["loss"]
    assert np.isfinite(history.history["loss"][0]) and history.history["val_accuracy"][0] > 0.9
    assert np.isfinite(loss)


def test_values_are_solved(data):
    model = kt.build_model(toy_backbone(), 1, image_size=32, activation="linear")
    values = relabelled(data, lambda labels: (labels[:, None] * 50.0 + 1000).astype(np.float32), ("size",))
    history = kt.fine_tune(model, values, schedule="solve", verbose=0)
    assert history.path[0]["accuracy"] is None
    assert kt.evaluate(model, values.validation).metrics["r2"] > 0.8


def test_one_output_for_yes_or_no_is_solved(data):
    model = kt.build_model(toy_backbone(), 1, image_size=32, activation="sigmoid")
    two = relabelled(data, lambda labels: np.minimum(labels, 1), ("no", "yes"))
    assert kt.fine_tune(model, two, schedule="solve", verbose=0).history["val_accuracy"][0] > 0.9


def test_class_weights_count(toy, data):
    heavy, plain = ({"class_weight": weight} for weight in ({0: 20.0, 1: 1.0, 2: 1.0}, None))
    answers = []
    for options in (plain, heavy):
        kt.fine_tune(toy, data, schedule="solve", verbose=0, **options)
        answers.append(toy.predict(data.validation, verbose=0)[:, 0].mean())
    assert answers[1] > answers[0]


def test_vectors_of_a_cosine_head_are_the_means_of_the_classes(data):
    model = kt.build_model(toy_backbone(), 3, image_size=32, head="cosine")
    history = kt.fine_tune(model, data, schedule=(SOLVE, kt.Phase(1, "head", 1e-3)), verbose=0)
    assert history.path == [] and history.epoch == [0, 1]
    assert np.linalg.norm(model.get_layer("cosine").kernel, axis=0) == pytest.approx(np.ones(3), abs=1e-5)
    assert history.history["val_accuracy"][0] > 0.6


def test_a_killed_run_goes_on_after_the_solved_head(toy, data, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    options = {"schedule": (SOLVE, kt.Phase(1, 1, 1e-4)), "resume_dir": tmp_path / "run", "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        kt.fine_tune(toy, data, callbacks=[Stop()], **options)
    solved = toy.get_layer("logits").get_weights()
    toy.get_layer("logits").set_weights([np.zeros_like(each) for each in solved])
    history = kt.fine_tune(toy, data, **options)
    assert history.epoch == [0, 1] and history.path and history.boundaries == [1]
    assert np.abs(toy.get_layer("logits").kernel - solved[0]).max() < 0.05


def test_an_interrupted_solve_leaves_the_head_as_it_was(toy, data, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    before = toy.get_weights()
    monkeypatch.setattr("keras_transfer.features.solving.solved.path_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        kt.fine_tune(toy, data, schedule="solve", verbose=0)
    assert all(map(np.array_equal, before, toy.get_weights()))


def own_head(features, classes):
    return keras.layers.Dense(classes, kernel_constraint="non_neg")(features)


@pytest.mark.parametrize("head", ["mlp", own_head])
def test_heads_that_are_not_linear_are_refused(data, head):
    model = kt.build_model(toy_backbone(), 3, image_size=32, head=head)
    with pytest.raises(InputError, match="linear in the features"):
        kt.fine_tune(model, data, schedule="solve", verbose=0)


def dropped(features, classes):
    return keras.layers.Dense(classes, use_bias=False)(keras.layers.Dropout(0.5)(features))


def test_a_linear_head_of_ones_own_is_solved(data):
    model = kt.build_model(toy_backbone(), 3, image_size=32, head=dropped)
    assert kt.fine_tune(model, data, schedule="solve", verbose=0).history["val_accuracy"][0] > 0.6


def test_another_loss_is_refused(toy, data):
    with pytest.raises(InputError, match="no `loss` with a head that is solved"):
        kt.fine_tune(toy, data, schedule="solve", loss=keras.losses.SparseCategoricalCrossentropy(), verbose=0)


def test_fit_refuses_a_phase_that_solves(toy):
    for schedule in ((SOLVE,), "solve"):
        with pytest.raises(InputError, match="does not solve a head"):
            options = {} if schedule != "solve" else {"epochs": 1, "learning_rate": 1e-3}
            kt.UnfreezeSchedule(schedule, **options)
    late = kt.UnfreezeSchedule(kt.schedules.from_solved("gradual"), epochs=2, learning_rate=1e-3)
    toy.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(InputError, match="does not solve a head"):
        toy.fit(np.zeros((2, 32, 32, 3)), np.zeros(2), verbose=0, callbacks=[late])


def test_adapt_refuses_a_phase_that_solves(toy, data):
    splits = {name: Examples(255 - part.items, part.labels) for name, part in data.splits.items()}
    dark = kt.data.ImageData(splits, data.class_names, data.image_size, batch_size=8)
    with pytest.raises(InputError, match="Expected phases that are trained"):
        kt.adapt(toy, data, dark, schedule=(SOLVE,), verbose=0)


def test_phases_that_make_no_sense_are_refused():
    for arguments in ((3, "head"), ("solve", "all"), ("solve", "head", 1e-3), ("sovle", "head", 1e-3)):
        with pytest.raises(InputError):
            kt.Phase(*arguments)


def test_a_plot_of_the_schedule_shows_the_solved_head(toy):
    phases = (SOLVE, kt.Phase(2, 1, 1e-4))
    for some in (phases, phases[:1]):
        figure = kt.plot_schedule(some, kt.stages(toy))
        assert "solved" in [text.get_text() for text in figure.axes[0].texts]
