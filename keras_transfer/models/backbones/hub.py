"""TF-Hub models and SavedModel folders as a Keras 3 layer that trains, saves and reloads.

`hub.KerasLayer` belongs to the old tf_keras and cannot be part of a Keras 3 model.
"""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import DownloadError, InputError
from keras_transfer._keras.borrowed import borrow
from keras_transfer.models.backbones.backbone import Backbone


@keras.saving.register_keras_serializable("keras_transfer")
class HubLayer(keras.layers.Layer):
    """A Keras layer that runs a TF-Hub model or any SavedModel.

    The SavedModel's variables are the layer's weights: `trainable = False` freezes them, `fit` trains them, and a
    `.keras` file stores them. To load that file, this package and the SavedModel under the same handle are needed.

    Args:
        handle: URL of a TF-Hub model or path of a SavedModel folder.
        signature: name of the signature to call if the SavedModel is not callable itself.
        **kwargs: `name`, `trainable` and `dtype` of a Keras layer.

    Raises:
        InputError: if there is no SavedModel at `handle`, or it is not callable and has no such signature.
        DownloadError: if it cannot be downloaded or loaded.
    """

    def __init__(self, handle: str, signature: str = "serving_default", **kwargs: Any):
        super().__init__(autocast=False, **kwargs)  # a SavedModel takes float32 under any dtype policy
        self.handle = str(handle) if "://" in str(handle) else str(Path(handle).expanduser())
        self.signature = signature
        self._module = _load(self.handle)
        self._function, self._takes_training = _callable(self._module, signature, self.handle)
        for variable, is_trainable in _variables(self._module):
            borrow(self, variable, is_trainable)
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        inputs = tf.cast(inputs, tf.float32)
        if self._takes_training:
            outputs = self._function(inputs, training=bool(training) and self.trainable)
        else:
            outputs = self._function(inputs)
        return _features(outputs, self.handle)

    def compute_output_spec(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        # The output shape of a SavedModel is unknown until it is called.
        shape = [side or 1 for side in inputs.shape]
        output = self.call(tf.zeros(shape, inputs.dtype))
        return keras.KerasTensor((inputs.shape[0], *output.shape[1:]), dtype=output.dtype.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "handle": self.handle, "signature": self.signature}


def is_handle(backbone: str) -> bool:
    """Returns whether a string is a URL or a folder instead of the name of a backbone."""
    return "/" in backbone or (Path(backbone) / "saved_model.pb").is_file()


def hub_backbone(
    handle: str,
    *,
    preprocess: Callable[[keras.KerasTensor], keras.KerasTensor] | None = None,
    image_size: int = 224,
) -> Backbone:
    """Returns a backbone with one stage that runs a TF-Hub model or a SavedModel.

    Args:
        handle: URL of a TF-Hub model or path of a SavedModel folder.
        preprocess: function that maps an image tensor in [0, 255] to the model's input. By default images are scaled
            to [0, 1], which is TF-Hub's convention for images.
        image_size: height and width in pixels that the model expects, one number for both.

    `Backbone.build` raises InputError if there is no model at `handle` or it cannot be called, and DownloadError if it
    cannot be downloaded.
    """

    def build(*, weights: Any, input_shape: tuple[int, int, int]) -> keras.Model:
        images = keras.Input(input_shape)
        network = keras.Model(images, HubLayer(handle, name="hub")(images), name="hub_model")
        if weights not in ("imagenet", None):
            network.load_weights(weights)
        return network

    return Backbone(build, preprocess or _to_unit_range, image_size, 1)


def _to_unit_range(images: keras.KerasTensor) -> keras.KerasTensor:
    return images / 255.0


def _load(handle: str) -> Any:
    if "://" not in handle and not (Path(handle) / "saved_model.pb").is_file():
        raise InputError(f"Expected a TF-Hub URL or a folder with a saved_model.pb. Received: {handle!r}.")
    try:
        import tensorflow_hub

        return tensorflow_hub.load(handle)
    except (OSError, HTTPException, tf.errors.NotFoundError, tf.errors.UnavailableError) as error:
        raise DownloadError(
            f"The SavedModel {handle!r} cannot be loaded ({type(error).__name__}: {error}). Without a network, "
            "download it elsewhere, unpack it and pass its folder."
        ) from error
    except (ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"Expected a SavedModel that TensorFlow can load. Received: {handle!r} ({type(error).__name__}: {error})."
        ) from error


def _callable(module: Any, signature: str, handle: str) -> tuple[Callable[..., Any], bool]:
    """Returns the function that runs a SavedModel, and whether it takes the argument `training`."""
    if callable(module):
        return module, _takes_training(module)
    if callable(getattr(module, "serve", None)):
        return module.serve, False
    signatures = getattr(module, "signatures", {})
    if signature not in signatures:
        raise InputError(
            f"Expected a SavedModel that can be called or has the signature {signature!r}. "
            f"Received: {handle!r} with signatures {list(signatures)}."
        )
    function = signatures[signature]
    name = next(iter(function.structured_input_signature[1]))
    return lambda inputs: function(**{name: inputs}), False


def _variables(module: Any) -> list[tuple[tf.Variable, bool]]:
    """Returns the numeric variables of a loaded SavedModel, each with whether it is trainable.

    TF-Hub's "reusable SavedModels" and Keras' exports list their trainable variables. For other SavedModels the
    variables that their functions use are taken, each with the `trainable` it was created with.
    """
    everything = list(getattr(module, "variables", ()))
    if everything:
        chosen = {id(variable) for variable in getattr(module, "trainable_variables", ())}
        pairs = [(variable, id(variable) in chosen) for variable in everything]
    else:
        functions = list(getattr(module, "signatures", {}).values())
        if callable(module):
            functions += module.__call__.concrete_functions
        used = {id(variable): variable for function in functions for variable in function.variables}
        pairs = [(variable, variable.trainable) for variable in used.values()]
    return [(variable, flag) for variable, flag in pairs if variable.dtype.is_floating or variable.dtype.is_integer]


def _takes_training(module: Any) -> bool:
    """Returns whether the function of a loaded SavedModel takes the argument `training`."""
    for function in getattr(module.__call__, "concrete_functions", ()):
        arguments, keywords = function.structured_input_signature
        if "training" in keywords or len(arguments) > 1:
            return True
    return False


def _features(outputs: Any, handle: str) -> tf.Tensor:
    """Returns the single output tensor of a SavedModel, which TF-Hub names `default`.

    Raises:
        InputError: if there are several outputs and none is named `default`.
    """
    if isinstance(outputs, dict):
        outputs = outputs.get("default", next(iter(outputs.values())) if len(outputs) == 1 else outputs)
    if not tf.is_tensor(outputs):
        raise InputError(f"Expected a SavedModel with one output, or one named 'default'. Received: {handle!r}.")
    return outputs
