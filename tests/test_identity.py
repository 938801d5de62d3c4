"""The identity of a part: the same in every process, and another for other code or values."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import threading
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer._identity import form_of, identity_of

SOURCE = '''
import functools
import keras
import numpy as np
import tensorflow as tf
import settings

FACTOR = 2.0

def brighter(image):
    """Makes it brighter."""
    return image * FACTOR

def turned(image, by=1):
    return brighter(tf.image.rot90(image, by)) if by in {"a", "b", "c", 1} else image

def scaled(by):
    return lambda image: image * by

def configured(image):
    return image * settings.factor

def nested(image):
    def inner(value):
        return brighter(value)
    return inner(image)

class Loss(keras.losses.Loss):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, truth, predicted):
        return self.factor * keras.ops.mean(truth - predicted)

class Noise(keras.layers.Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def call(self, images):
        return images + self.size

class Plain:
    __slots__ = ("by",)

    def __init__(self, by):
        self.by = by

    @staticmethod
    def fixed(image):
        return image + 1

    def __call__(self, image):
        return self.fixed(image) * self.by

PARTS = {
    "brighter": brighter,
    "turned": turned,
    "nested": nested,
    "configured": configured,
    "partial": functools.partial(turned, by=3),
    "lambda": lambda image: image + 1,
    "closure": scaled(3),
    "array closure": scaled(np.arange(3.0)),
    "tensor closure": scaled(tf.range(3)),
    "cached": functools.cache(turned),
    "tf.function": tf.function(turned),
    "loss": Loss(2.0),
    "layer": Noise(2),
    "object": Plain(2),
    "method": Plain(2).fixed,
    "bound method": Plain(2).__call__,
    "class": Plain,
    "list": ["light", scaled(2)],
}
'''


def module(source: str, factor: float = 2.0) -> dict:
    """Runs the source of a user's module. Returns its parts."""
    sys.modules["settings"] = types.SimpleNamespace()  # a module, for the import statement
    settings = types.ModuleType("settings")
    settings.factor = factor
    sys.modules["settings"] = settings
    made = types.ModuleType("of_a_user")
    sys.modules["of_a_user"] = made
    try:
        exec(compile(source, "of_a_user.py", "exec"), vars(made))
    finally:
        del sys.modules["settings"]
    return made.PARTS


@pytest.fixture(scope="module")
def known() -> dict:
    return {name: identity_of(part, strict=True) for name, part in module(SOURCE).items()}


def test_equal_parts_are_the_same(known):
    """Made twice: no address, number of layers built so far or place in the file is part of it."""
    later = {
        name: identity_of(part, strict=True)
        for name, part in module(f"# one more line\n\n{SOURCE}".replace("Makes it brighter", "Brightens")).items()
    }
    assert later == known
    assert len({json.dumps(identity) for identity in known.values()}) == len(known) - 1
    assert known["tf.function"] == known["turned"]


def test_parts_are_the_same_in_another_process(known):
    """With another seed for the hashes of texts, on which the order of a set depends."""
    program = (
        "import json, test_identity\n"
        "from keras_transfer._identity import identity_of\n"
        "parts = test_identity.module(test_identity.SOURCE)\n"
        "print(json.dumps({name: identity_of(part, strict=True) for name, part in parts.items()}))"
    )
    folder = Path(__file__).parent
    path = f"{folder}:{folder.parent}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": path, "PYTHONHASHSEED": "7", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(known))


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("FACTOR = 2.0", "FACTOR = 2.5", {"brighter", "turned", "nested", "partial", "cached", "tf.function"}),
        ("image * FACTOR", "image / FACTOR", {"brighter", "turned", "nested", "partial", "cached", "tf.function"}),
        ("rot90", "flip_up_down", {"turned", "partial", "cached", "tf.function"}),
        ("by=1)", "by=2)", {"turned", "partial", "cached", "tf.function"}),
        ("by=3", "by=4", {"partial"}),
        ("image + 1,", "image + 2,", {"lambda"}),
        ("image + 1\n", "image + 2\n", {"object", "method", "bound method", "class"}),
        ("scaled(3)", "scaled(4)", {"closure"}),
        ("np.arange(3.0)", "np.arange(3.0) + 1", {"array closure"}),
        ("tf.range(3)", "tf.range(4)", {"tensor closure"}),
        ("Loss(2.0)", "Loss(2.5)", {"loss"}),
        ("truth - predicted", "predicted - truth", {"loss"}),
        ("images + self.size", "images - self.size", {"layer"}),
        ("Noise(2)", "Noise(3)", {"layer"}),
        ('"object": Plain(2)', '"object": Plain(3)', {"object"}),
        ('"light"', '"strong"', {"list"}),
        ("scaled(2)]", "scaled(2.5)]", {"list"}),
    ],
)
def test_what_changes_a_part_changes_its_identity(known, before, after, changed):
    """And that of those that use it alone."""
    assert before in SOURCE
    others = {name: identity_of(part, strict=True) for name, part in module(SOURCE.replace(before, after)).items()}
    assert {name for name in known if others[name] != known[name]} == changed


def test_a_value_in_another_module_of_the_user_counts(known):
    others = {name: identity_of(part, strict=True) for name, part in module(SOURCE, factor=3.0).items()}
    assert {name for name in known if others[name] != known[name]} == {"configured"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.RandAugment(num_ops=2),
        lambda: keras.layers.Pipeline([keras.layers.RandomFlip(), keras.layers.RandomRotation(0.1)]),
        lambda: keras.losses.BinaryFocalCrossentropy(gamma=2.0),
        lambda: keras.metrics.AUC(curve="PR"),
        lambda: keras.optimizers.schedules.CosineDecay(0.1, 10),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: functools.partial(tf.image.adjust_gamma, gamma=2.0),
        lambda: tf.image.flip_left_right,
        lambda: np.sin,
        lambda: np.add,
        lambda: len,
        lambda: np.random.default_rng(3),
        lambda: Path("folder"),
        lambda: float("nan"),
        lambda: {1: "a", None: {"b", "c"}},
        lambda: [np.float32(0.5), b"bytes", 1j, ...],
    ],
)
def test_parts_of_libraries_are_the_same_each_time_and_fit_into_json(make):
    first, second = (json.dumps(identity_of(make(), strict=True), allow_nan=False) for _ in range(2))
    assert first == second


def test_parts_of_libraries_differ_by_their_settings():
    parts = [
        keras.layers.RandAugment(num_ops=2),
        keras.layers.RandAugment(num_ops=3),
        keras.layers.Pipeline([keras.layers.RandomFlip("horizontal")]),
        keras.layers.Pipeline([keras.layers.RandomFlip("vertical")]),
        keras.metrics.AUC(curve="PR"),
        keras.metrics.AUC(curve="ROC"),
        functools.partial(tf.image.adjust_gamma, gamma=2.0),
        functools.partial(tf.image.adjust_gamma, gamma=3.0),
        np.random.default_rng(3),
        np.random.default_rng(4),
        tf.image.flip_left_right,
        tf.image.flip_up_down,
    ]
    assert len({json.dumps(identity_of(part)) for part in parts}) == len(parts)


def test_what_cannot_be_looked_into_is_known_by_its_class_or_never_the_same():
    locks = [threading.Lock(), threading.Lock()]
    assert identity_of(locks[0]) == identity_of(locks[1])
    assert identity_of(locks[0], strict=True) != identity_of(locks[0], strict=True)


def test_a_part_may_hold_itself():
    ring: list = [1]
    ring.append(ring)
    assert identity_of(ring) == [1, "itself"]


def test_a_model_is_known_by_its_layers_and_weights_and_its_form_by_its_layers_alone():
    def make(units=3, seed=0, rate=0.5):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((4,))
        inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
        return keras.Model(inputs, keras.layers.Dropout(rate)(inner(inputs)))

    first, again, frozen = make(), make(), make()
    frozen.trainable = False
    assert identity_of(first) == identity_of(again) == identity_of(frozen)
    assert form_of(first) == form_of(make(seed=1)) and identity_of(first) != identity_of(make(seed=1))
    assert len({form_of(first), form_of(make(units=2)), form_of(make(rate=0.4))}) == 3


def test_a_layer_that_cannot_tell_its_settings_is_known_by_its_class_and_values():
    class Silent(keras.layers.Layer):
        def __init__(self, change, by):
            super().__init__()
            self.change, self.by = change, by

        def call(self, inputs):
            return self.change(inputs) * self.by

    def model(change, by):
        inputs = keras.Input((4,))
        return keras.Model(inputs, Silent(change, by)(inputs))

    forms = [form_of(model(change, by)) for change, by in ((abs, 1), (abs, 1), (abs, 2), (keras.ops.sign, 1))]
    assert forms[0] == forms[1] and len(set(forms)) == 3
