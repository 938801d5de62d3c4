"""The table of private names: what each is used for, and what happens if Keras or TensorFlow removes it.

`tests/test_private_keras.py` compares the table with the code of this folder and checks every row on real objects. A
name that was removed then fails a test, instead of, for example, letting frozen layers change.
"""

from __future__ import annotations

from typing import NamedTuple


class PrivateName(NamedTuple):
    """A private name of Keras or TensorFlow, which any release may remove.

    Attributes:
        owner: the kind of object that has the attribute.
        name: name of the attribute.
        module: module of this package that uses it.
        purpose: what it is used for.
        if_gone: what happens if it does not exist.
    """

    owner: str
    name: str
    module: str
    purpose: str
    if_gone: str


_LOUD = "AttributeError where it is used"

PRIVATE_NAMES = tuple(
    PrivateName(*row)
    for row in (
        # models and layers
        ("functional model", "_nodes_by_depth", "graph", "the calls of a model in their order", _LOUD),
        ("tensor", "_keras_history", "graph", "the call that made it", _LOUD),
        ("operation", "_inbound_nodes", "graph", "its calls", _LOUD),
        ("functional model", "_run_through_graph", "graph", "lays its calls onto other inputs", _LOUD),
        ("Sequential model", "_functional", "graph", "the functional model inside", "Sequential models look opaque"),
        ("layer", "_flatten_layers", "still", "all layers inside a layer", _LOUD),
        ("layer", "_call_has_training_arg", "still", "whether a layer behaves otherwise in training", _LOUD),
        ("layer", "call", "still", "replaced on the object to hold the layer still", "frozen layers are random"),
        ("layer", "_track_variable", "borrowed", "makes a variable a weight", _LOUD),
        (
            "random layer",
            "generator",
            "generators",
            "replaced by seeds of one image",
            "augmentation differs each time",
        ),
        ("random layer", "seed_generator", "generators", "the same, as other layers name it", "the same"),
        ("variable", "_initialize", "borrowed", "called by the constructor", "training moves a copy"),
        ("variable", "_value", "borrowed", "holds the value", "training moves a copy"),
        # compiled models
        ("compiled model", "_compile_config", "trainer", "from which a saved model is compiled again", _LOUD),
        (
            "compiled model",
            "compile_from_config",
            "reloading",
            "replaced while a model is loaded",
            "frozen blocks come back open",
        ),
        ("compiled model", "_compute_loss", "trainer", "the loss with sample weights and regularisation", _LOUD),
        ("compiled model", "_loss_tracker", "trainer", "the mean loss that fit shows", _LOUD),
        (
            "compiled model",
            "_initial_epoch",
            "trainer",
            "the epoch at which BackupAndRestore resumes",
            "resumes in the first phase",
        ),
        ("SwapEMAWeights", "_ema_weights_in_model", "callbacks", "whether averages are in the model", _LOUD),
        # optimizers
        ("optimizer", "_var_key", "joining", "the key of a variable", _LOUD),
        ("optimizer", "_trainable_variables", "joining", "replaced by those that are open", "frozen weights decay"),
        ("optimizer", "_trainable_variables_indices", "joining", "the place of a variable by its key", _LOUD),
        ("optimizer", "_iterations", "joining", "replaced by the steps of a late variable", _LOUD),
        ("optimizer", "_model_variables_moving_average", "joining", "averages of the open variables", _LOUD),
        (
            "optimizer",
            "_momentums",
            "joining",
            "first moments, fitted to the common step",
            "late moments too small",
        ),
        ("optimizer", "_velocities", "joining", "second moments, likewise", "late moments too small"),
        ("AMSGrad optimizer", "_velocity_hats", "joining", "largest moments, likewise", "late moments too small"),
        (
            "optimizer",
            "update_step",
            "joining",
            "replaced to count a late variable's own steps",
            "steps too large",
        ),
        (
            "optimizer",
            "finalize_variable_values",
            "trainer",
            "replaced until the last segment ends",
            "averages too early",
        ),
        ("optimizer", "_learning_rate", "leaves", "the rate as a variable, schedule or function", _LOUD),
        ("optimizer", "_variables", "refitting", "list of all state, not copied slot by slot", "state is copied twice"),
        ("optimizer", "_untrack_variable", "leaves", "takes out a variable that we added", _LOUD),
        ("excluding optimizer", "_exclude_from_weight_decay", "leaves", "what does not decay", "it decays in copies"),
        ("excluding optimizer", "_exclude_from_weight_decay_pattern", "leaves", "the same, by name", "the same"),
        ("MultiOptimizer", "_optimizer_map", "refitting", "which optimizer has which variable", _LOUD),
        ("MultiOptimizer", "_var_to_optimizer_idx", "refitting", "the same, once built", "functions are called again"),
        # TensorFlow
        ("convert_to_constants", "_FunctionConverterDataInEager", "constants", "freezes a graph", "ImportError"),
        ("convert_to_constants", "_replace_variables_by_constants", "constants", "freezes a graph", "ImportError"),
        ("tf_optimizer", "OptimizeGraph", "constants", "inlines functions", "ImportError"),
    )
)
