"""Private names of Keras: each is in the table, each exists, and does what we use it for."""

from __future__ import annotations

import ast

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, toy_network
from tensorflow.python.framework import convert_to_constants
from tensorflow.python.grappler import tf_optimizer

from keras_transfer._keras.behaviour import keeps_training_false
from keras_transfer._keras.graph import nodes
from keras_transfer._keras.names import PRIVATE_NAMES
from keras_transfer._keras.still import calling, hold_still, is_still

PACKAGE = ROOT / "keras_transfer"
KEPT_BY_US = {  # keys that we put on Keras' objects ourselves
    "_before_open_variables",
    "_clocks_of_late_joiners",
    "_unfreeze_progress",
    "_made_for_phases",
    "_replaced_by_hold_still",
    "_XlaMustCompile",  # attributes of nodes in TensorFlow's graphs
    "_noinline",
    "_class",
    "_borrowed",
}


@pytest.fixture(scope="module")
def owners() -> dict[str, object]:
    """One object of each kind in the table."""
    model = toy_network()
    model.compile("adam", "mse")
    sequential = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam(use_ema=True)
    amsgrad = keras.optimizers.Adam(amsgrad=True)
    excluding = keras.optimizers.AdamW()
    several = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.Adam(), {}))
    excluding.exclude_from_weight_decay(var_names=["bias"])
    for each in (optimizer, amsgrad, excluding, several):
        each.build(model.trainable_variables)
    generators = {"generator": keras.layers.RandomFlip(), "seed_generator": keras.layers.Dropout(0.5)}
    return {
        "functional model": model,
        "tensor": model.output,
        "operation": model.layers[-1],
        "Sequential model": sequential,
        "layer": keras.layers.Dropout(0.5),
        "random layer": generators,
        "variable": keras.Variable(1.0),
        "compiled model": model,
        "SwapEMAWeights": keras.callbacks.SwapEMAWeights(),
        "optimizer": optimizer,
        "AMSGrad optimizer": amsgrad,
        "excluding optimizer": excluding,
        "MultiOptimizer": several,
        "convert_to_constants": convert_to_constants,
        "tf_optimizer": tf_optimizer,
    }


@pytest.mark.parametrize("row", PRIVATE_NAMES, ids=lambda row: f"{row.owner}.{row.name}")
def test_every_private_name_of_the_table_is_there(row, owners):
    owner = owners[row.owner]
    if row.owner == "random layer":
        owner = owner[row.name]
        assert isinstance(vars(owner)[row.name], keras.random.SeedGenerator)
    elif row.name == "_compile_config":
        assert owner._compile_config.config["optimizer"] is owner.optimizer
    else:
        assert hasattr(owner, row.name), row.if_gone


def _names(path) -> tuple[set[str], set[str]]:
    """Returns private attributes taken from objects other than self, and private names in strings."""
    attributes, strings = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            attributes.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            strings |= {node.value} if node.value.startswith("_") and not node.value.startswith("__") else set()
        elif isinstance(node, ast.FunctionDef) and node.name == "_initialize":  # what Keras calls of ours
            attributes.add(node.name)
    return attributes, strings


def test_the_room_uses_the_names_of_the_table_and_no_others():
    used = set()
    for path in (PACKAGE / "_keras").glob("*.py"):
        if path.name != "names.py":
            attributes, strings = _names(path)
            used |= attributes | strings
    listed = {row.name for row in PRIVATE_NAMES}
    assert used - KEPT_BY_US <= listed
    assert {name for name in listed if name.startswith("_")} <= used
    for row in PRIVATE_NAMES:
        assert row.name in (PACKAGE / "_keras" / f"{row.module}.py").read_text(), row
        assert row.purpose and row.if_gone


def test_no_other_room_uses_a_private_name_of_keras():
    listed = {row.name for row in PRIVATE_NAMES if row.name.startswith("_")}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if path.parent.name != "_keras":
            attributes, strings = _names(path)
            own = {  # what the file itself keeps on self, or imports from a neighbour
                node.attr
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
            }
            assert not (attributes - own) & listed and not strings & (listed - own), path
            assert "keras.src" not in text.replace("keras/src", ""), path
            assert "tensorflow.python" not in text, path


def test_a_replaced_call_is_what_a_layer_runs():
    layer, values = keras.layers.Dropout(0.5), np.ones((1, 64), "float32")
    random = np.array(layer(values, training=True))
    hold_still(layer, True)
    assert is_still(layer) and not np.array_equal(random, values)
    assert np.array_equal(layer(values, training=True), values)
    model = keras.Sequential([keras.Input((64,)), layer])
    assert np.array_equal(model(values, training=True), values)
    hold_still(layer, False)
    assert not is_still(layer) and not np.array_equal(layer(values, training=True), values)


def test_a_call_of_ones_own_on_a_layer_object_comes_back():
    layer, values = keras.layers.Dropout(0.5), np.ones((1, 4), "float32")
    with calling([(layer, lambda inputs, training=None: inputs * (3 if training else 2))]):
        assert np.array_equal(layer(values, training=True), 3 * values)
        hold_still(layer, True)
        assert np.array_equal(layer(values, training=True), 2 * values)
        hold_still(layer, False)
        assert np.array_equal(layer(values, training=True), 3 * values) and not is_still(layer)
    assert not np.array_equal(layer(np.ones((1, 64), "float32"), training=True), np.ones((1, 64)))


def test_apply_gradients_runs_the_update_step_of_the_object():
    optimizer, variable = keras.optimizers.SGD(1.0), keras.Variable(1.0)
    optimizer.build([variable])
    seen = []
    vars(optimizer)["update_step"] = lambda gradient, variable, rate: seen.append(float(gradient))
    optimizer.apply_gradients([(tf.constant(2.0), variable)])
    assert seen == [2.0] and float(variable) == 1.0


def test_apply_gradients_asks_the_list_of_open_variables():
    optimizer = keras.optimizers.AdamW(weight_decay=0.5)
    frozen, free = keras.Variable(1.0), keras.Variable(1.0)
    optimizer.build([frozen, free])
    vars(optimizer)["_trainable_variables"] = [free]
    optimizer.apply_gradients([(tf.constant(0.0), free)])
    assert float(frozen) == 1.0 and float(free) < 1.0


def test_fit_finalizes_by_the_function_of_the_object():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(use_ema=True), "mse")
    seen = []
    vars(model.optimizer)["finalize_variable_values"] = lambda variables: seen.append(len(variables))
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert seen == [2]


def test_clone_model_visits_calls_in_the_order_that_marks_of_stages_assume():
    network, visited = toy_network(), []

    def call(operation, *args, **kwargs):
        visited.append(operation.name)
        return operation(*args, **kwargs)

    keras.models.clone_model(network, call_function=call, clone_function=lambda operation: operation)
    assert visited == [node.operation.name for node in nodes(network) if not node.is_input]


def test_backup_and_restore_sets_the_epoch_we_read(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    images = np.ones((4, 2)), np.ones((4, 1))
    with pytest.raises(KeyboardInterrupt):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        model.fit(*images, epochs=3, verbose=0, callbacks=[backup, Stop()])
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append(model._initial_epoch))
    model.fit(*images, epochs=3, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup"), watch])
    assert seen and seen[0] >= 1


def test_whether_training_false_is_kept_agrees_with_batch_norm():
    norm = keras.layers.BatchNormalization()
    base = keras.Sequential([keras.Input((4,)), norm])
    values = keras.Input((4,))
    model = keras.Model(values, base(values, training=False))
    before = np.array(norm.moving_mean)
    model(np.full((8, 4), 5.0, "float32"), training=True)
    assert np.array_equal(norm.moving_mean, before) == keeps_training_false()
