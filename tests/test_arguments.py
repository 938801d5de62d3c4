"""Arguments: what a public function takes stands in a table; anything else is a sentence, never a raw TypeError."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from conftest import toy_backbone, toy_network

import keras_transfer as kt
from keras_transfer._arguments import Choice, Flag, ImageSize, Kind, Number, Part, Whole, takes
from keras_transfer._registry import Registry
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.training.options import Options

WRONG = (
    object(),
    -1,
    0,
    3.5,
    float("nan"),
    float("inf"),
    True,
    "no such name",
    b"bytes",
    {},
    (),
    np.zeros((2, 2)),
    None,
)


def _table(part) -> dict:
    return getattr(part.__init__ if inspect.isclass(part) else part, "table", {})


PARTS = {name: getattr(kt, name) for name in kt.__all__} | {"Options": Options}
TABLES = {name: _table(part) for name, part in PARTS.items() if _table(part)}
FUNCTIONS = [name for name, part in PARTS.items() if inspect.isfunction(part)]
WITHOUT_TABLE = {  # each checks its arguments by other means
    "adapt": "hands its settings to Options; domains are checked together",
    "adaptation_report": "domains are checked together",
    "choose_adaptation": "hands its settings to adapt",
    "fine_tune": "hands its settings to Options, its schedule to plan",
    "hub_backbone": "checks its handle where it is built",
    "plot_history": "draws what it is given",
    "plot_schedule": "draws what it is given",
    "sign": "checks its key where it is read",
}


def test_every_public_function_has_a_table_or_a_reason():
    assert {name for name in FUNCTIONS if name not in TABLES} == set(WITHOUT_TABLE)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_names_arguments_of_its_function(name):
    assert set(TABLES[name]) <= set(inspect.signature(PARTS[name]).parameters)


@pytest.mark.parametrize(("name", "argument"), [(name, argument) for name in TABLES for argument in TABLES[name]])
def test_what_an_argument_cannot_be_is_a_sentence_with_its_name(name, argument):
    constraint, tried = TABLES[name][argument], 0
    for value in WRONG:
        if not constraint.accepts(value):
            tried += 1
            with pytest.raises(kt.InputError, match="Expected|Unknown") as caught:
                constraint(argument, value)
            assert argument.replace("_", " ") in str(caught.value).replace("_", " ") and "Received: " in str(
                caught.value
            )
    assert tried >= 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: kt.build_model(toy_backbone(), 3, image_size=32, head=5), "`head` to be one of"),
        (lambda: kt.build_model(toy_backbone(), 3, image_size=32, pooling=3), "`pooling` to be one of"),
        (lambda: kt.build_model(toy_backbone(), 3, image_size=32.0), "`image_size` to be a whole number of pixels"),
        (lambda: kt.build_model(toy_backbone(), 3.0), "`num_classes` to be a whole number above 0"),
        (lambda: kt.build_model(5, 3), "a backbone's name, a kt.Backbone or a keras.Model"),
        (lambda: kt.build_model(toy_backbone(), 3, activation="sofmax"), "Did you mean 'softmax'"),
        (lambda: kt.set_trainable("ResNet50", "head"), "`model` to be a keras.Model"),
        (lambda: kt.stages("ResNet50"), "`model` to be a keras.Model"),
        (lambda: kt.available(["head"]), "`kind` to be one of"),
        (lambda: kt.available("heads"), "Did you mean 'head'"),
        (lambda: kt.Phase(1, None, 0.1), "`unfrozen` to be"),
        (lambda: kt.Phase("3", "head", 0.1), "`epochs` to be a whole number above 0"),
        (lambda: kt.UnfreezeSchedule("gradual", epochs=3, learning_rate=1e-3, rate=5), "`rate` to be one of"),
        (lambda: kt.UnfreezeSchedule(5), "`schedule` to be one of"),
        (lambda: kt.data.from_arrays(np.zeros((9, 8, 8, 3), "uint8"), np.arange(9) % 2, resize=3), "`resize` to be"),
        (lambda: kt.data.from_arrays(np.zeros((9, 8, 8, 3), "uint8"), np.arange(9) % 2, seed="a"), "`seed` to be"),
        (lambda: kt.Cache("memroy"), "Did you mean 'memory'"),
        (lambda: kt.load(5), "`path` to be a path"),
    ],
)
def test_what_ended_in_a_type_error_is_a_sentence(call, said):
    with pytest.raises(kt.InputError) as caught:
        call()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimizer": "adm"}, "Did you mean 'adam'"),
        ({"optimizer": 5}, "an optimizer of Keras, or its name"),
        ({"loss": "binary_crosentropy"}, "Did you mean 'binary_crossentropy'"),
        ({"metrics": "accuracy"}, "a list of metrics"),
        ({"callbacks": [5]}, "a list of Keras callbacks"),
        ({"class_weight": "balance"}, "Did you mean 'balanced'"),
        ({"rate": 5}, "`rate` to be one of"),
        ({"patience": 0}, "a whole number above 0"),
        ({"cache": "dsk"}, "Did you mean 'disk'"),
        ({"cache": True}, "a Cache"),
        ({"verbose": "loud"}, "verbose"),
        ({"schedule": 5}, "`schedule` to be one of"),
        ({"epochs": 2.5}, "`epochs` to be a whole number"),
        ({"learning_rate": "fast"}, "`learning_rate` to be a number"),
    ],
)
def test_a_wrong_setting_of_a_training_is_a_sentence_before_anything_is_compiled(options, said, toy, data):
    with pytest.raises(kt.InputError) as caught:
        kt.fine_tune(toy, data, **options)
    assert said in str(caught.value) and not toy.compiled


def test_numbers_of_numpy_are_numbers():
    model = kt.build_model(toy_network(), np.int64(3), image_size=np.int64(32))
    assert model.output_shape == (None, 3) and model.input_shape == (None, 32, 32, 3)
    phase = kt.Phase(np.int32(2), np.int64(1), np.float32(0.5))
    assert phase == kt.Phase(2, 1, 0.5) and type(phase.epochs) is int and type(phase.learning_rate) is float
    kt.set_trainable(model, np.int64(0), train_batch_norm=np.bool_(True))
    assert kt.Cache(views=np.int64(2)).views == 2
    images = np.zeros((9, 8, 8, 3), "uint8")
    sized = kt.data.from_arrays(images, np.arange(9) % 2, image_size=(np.int64(8), np.int32(8)), batch_size=np.int8(4))
    assert sized.image_size == (8, 8) and sized.batch_size == 4


def test_the_decorated_function_keeps_its_signature_and_pythons_own_errors():
    @takes(count=Whole(1))
    def twice(count, *, more=0):
        """Doubles."""
        return 2 * count + more

    assert str(inspect.signature(twice)) == "(count, *, more=0)" and twice.__doc__ == "Doubles."
    assert twice(np.int64(2)) == 4 and twice(count=1, more=1) == 3
    for wrong in ({}, {"count": 1, "unknown": 2}):
        with pytest.raises(TypeError, match="twice"):
            twice(**wrong)


def test_constraints_accept_exactly_what_their_words_say():
    heads = Registry("head", callable, "a function")
    heads.register("linear")(print)
    cases = {
        Whole(1): ([1, 5, np.int8(3)], [0, -1, 1.0, True, "1", None]),
        Whole(0): ([0, 5], [-1, False]),
        Number(0, 1, above=True): ([1, 0.5, np.float16(0.5)], [0, 1.5, True, float("nan"), "0.5"]),
        Flag(): ([True, False, np.True_], [0, 1, "yes", None]),
        Choice("a", "b"): (["a"], ["c", 1, None]),
        Kind(dict, "a dict"): ([{}], [[]]),
        Part(heads): (["linear", len], ["liner", 5, None]),
        ImageSize(): ([8, (8, 9), [8, 9], np.int64(8)], [0, (8,), (8, 8, 3), 8.0, "8", None]),
        Whole(1) | None: ([1, None], [0, "1"]),
        Choice("auto") | Kind(int, "a number"): (["auto", 2], ["aut", None]),
    }
    for constraint, (right, wrong) in cases.items():
        assert constraint.words
        for value in right:
            assert constraint.accepts(value), (constraint.words, value)
        for value in wrong:
            assert not constraint.accepts(value), (constraint.words, value)
    assert keras.optimizers.get("Adam") is not None  # names of Keras are taken in either case
    assert Options(optimizer="Adam", loss="MSE").optimizer == "Adam"


def test_a_name_is_known_in_any_case_and_an_unknown_one_lists_what_is_near():
    assert BACKBONES.find("resnet50") is BACKBONES.find("ResNet50")
    options = {"image_size": 32, "backbone_options": {"alpha": 0.25}}
    assert kt.build_model("mobilenet", 2, weights=None, **options).name == "MobileNet"
    with pytest.raises(
        kt.InputError, match=r"one of \d+ names, such as \[.*'ResNet50'.*Did you mean 'ResNet50'"
    ) as caught:
        kt.build_model("RestNet50", 2, weights=None)
    assert len(str(caught.value)) < 250
    with pytest.raises(kt.DownloadError, match="imagenet|download"):
        kt.build_model("mobilenet", 2, weights="ImageNet")


def test_a_size_that_is_turned_is_said():
    data = kt.data.from_arrays(np.zeros((8, 32, 48, 3), "uint8"), np.arange(8) % 2)
    model = kt.build_model("MobileNet", 2, weights=None, image_size=(48, 32), backbone_options={"alpha": 0.25})
    with pytest.raises(kt.InputError, match=r"\(48, 32\).*\(32, 48\).*one is turned"):
        kt.fine_tune(model, data, epochs=1)
