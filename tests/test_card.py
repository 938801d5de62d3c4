"""The model card says what the run knows, and no more."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.serving.card.card import model_card, wilson
from keras_transfer.serving.card.page import card_page
from keras_transfer.serving.description import describe


def test_the_card_is_filled_from_the_run(exported, trained, data, trained_report):
    card = json.loads((exported / "model_card.json").read_text())
    model, history = trained
    assert card["model"]["network"] == "toy" and card["model"]["parameters"] == model.count_params()
    built = {"backbone": "toy", "weights": "its own", "pooling": "avg", "head": "linear", "options": {}}
    assert card["model"]["built_of"] == built
    assert card["model"]["class_names"] == ["blue", "green", "red"]
    assert card["data"]["counts"] == data.counts and card["data"]["seed"] == data.seed
    assert card["data"]["folder"] == data.root.name, "not where it lies"
    assert card["training"]["epochs"] == len(history.epoch) == 8
    assert card["training"]["best_epoch"] == int(np.argmin(history.history["val_loss"])) + 1
    assert [phase["unfrozen"] for phase in card["training"]["phases"]] == [p.unfrozen for p in history.phases]
    assert card["training"]["optimizer"] == "Adam"
    assert card["evaluation"]["metrics"] == trained_report.to_dict()["metrics"]
    assert card["evaluation"]["split"] == "validation" and card["evaluation"]["chose_the_epoch"]
    low, high = card["evaluation"]["intervals"]["accuracy"]
    assert low <= trained_report.metrics["accuracy"] <= high and high - low > 0.05, "six images are not many"
    assert set(card["evaluation"]["per_class"]) == set(data.class_names)
    assert any("Fewer than 30 pictures were evaluated of blue" in limit for limit in card["limits"])
    assert set(card["versions"]) == {"keras_transfer", "keras", "tensorflow"}


def test_an_adapted_model_says_so_and_its_best_epoch_is_the_validators(toy):
    history = keras.callbacks.History()
    history.epoch, history.validator = [0, 1, 2], "val_entropy"
    history.history = {"val_loss": [0.1, 0.2, 0.3], "val_entropy": [-0.5, -0.1, -0.3]}
    toy.history = history
    card = model_card(toy, describe(toy, None, "crop"), None, None)
    assert card["training"]["best_epoch"] == 2 and "adapted to pictures of another domain" in card["limits"][-1]
    history.history["val_entropy"] = [float("nan")] * 3
    assert model_card(toy, describe(toy, None, "crop"), None, None)["training"]["best_epoch"] is None
    del toy.history


def test_the_page_shows_the_same(exported, trained_report):
    page = (exported / "model_card.md").read_text()
    assert page.startswith("# Model card: toy")
    for heading in ("What it is", "Intended use", "Data", "Training", "How good it is", "Limits", "Versions"):
        assert f"\n## {heading}\n" in page
    assert f"| accuracy | {trained_report.metrics['accuracy']:.4f} (" in page
    assert "metrics are optimistic" in page and "| class | train | validation |" in page


def test_intervals_are_wilsons():
    """By the formula: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)."""
    z, share, count = 1.959964, 45 / 50, 50
    middle, half = share + z**2 / (2 * count), z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    expected = [(middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count)]
    assert wilson(45, 50) == pytest.approx(expected, abs=1e-6)
    assert wilson(0, 0) is None


def test_what_is_not_known_is_not_made_up(tmp_path, toy):
    toy.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    card = model_card(reloaded, describe(reloaded, None, "pad"), None, None)
    assert card["model"]["built_of"] is None and card["data"] is card["training"] is card["evaluation"] is None
    assert any("without a report" in limit for limit in card["limits"])
    assert card_page(card).count("not recorded") == 5


def test_probabilities_that_are_no_chances_are_said(toy):
    sure = np.tile([0.99, 0.005, 0.005], (120, 1))
    labels = np.arange(120) % 3
    from keras_transfer.insight.evaluation import report_on

    card = model_card(toy, describe(toy, None, "crop"), None, report_on(sure, labels))
    assert any("66 points too high or too low on average" in limit for limit in card["limits"])
    card = model_card(toy, describe(toy, None, "crop"), None, report_on(np.full((120, 3), 1 / 3), labels))
    assert not any("points too high" in limit for limit in card["limits"])


def test_several_labels_have_a_row_each():
    model = kt.build_model(toy_backbone(), 2, image_size=32, activation="sigmoid", pooling="max", head="mlp")
    truth = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    from keras_transfer.insight.evaluation import report_on

    found = report_on(np.array([[0.9, 0.1], [0.2, 0.3], [0.8, 0.7], [0.6, 0.1]]), truth, ["cat", "dog"])
    card = model_card(model, describe(model, ["cat", "dog"], "crop"), None, found)
    assert card["evaluation"]["images"] == 4
    assert card["evaluation"]["per_class"]["cat"]["recall_interval"] == wilson(2, 2)
    assert card["evaluation"]["per_class"]["dog"]["recall_interval"] == wilson(1, 2)
    assert card["model"]["built_of"]["pooling"] == "max" and "several labels a picture" in card_page(card)
