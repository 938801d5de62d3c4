"""calibrate: makes the probabilities of a model mean what they say, by one number that its last layer is divided by."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import keras
import numpy as np

from keras_transfer._arguments import takes
from keras_transfer._checks import DataError, DataWarning, InputError
from keras_transfer._keras.graph import nodes
from keras_transfer.insight.evaluation import Answers
from keras_transfer.models.stages import MODEL
from keras_transfer.tasks import Report, Task

_LEAST, _MOST = 0.05, 20.0  # temperatures
_SIDE = 64  # pixels of noise for a model that takes any size
_TOKENS = 5  # that every vocabulary has
_CLOSE = 1e-3  # of probabilities
FEW = 50  # images, with fewer of which a temperature is a guess
_IDLE = (keras.layers.Activation, keras.layers.Softmax, keras.layers.Dropout, keras.layers.Identity)
_LINEAR = (keras.layers.UpSampling2D, keras.layers.Cropping2D, keras.layers.Add)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What `calibrate` found and did. `print(calibration)` shows it.

    Attributes:
        temperature: by which logits are divided; above 1 where the model was too sure, below 1 where it was too
            modest.
        before: report on the images before, as `evaluate` makes it.
        after: report on the same images after.
    """

    temperature: float
    before: Report
    after: Report

    def __str__(self) -> str:
        was = "too sure" if self.temperature > 1 else "too modest"
        lines = [f"temperature {self.temperature:.3g} from {self.before.images} images: the model was {was}"]
        if not _LEAST * 1.01 < self.temperature < _MOST * 0.99:
            lines.append("that is the limit: the images do not tell how sure the model should be")
        for name in ("loss", "brier_score", "calibration_error"):
            values = f"{self.before.metrics[name]:.4f} before, {self.after.metrics[name]:.4f} after"
            lines.append(f"{name.replace('_', ' ')}: {values}")
        return "\n".join(lines)


@takes(model=MODEL)
def calibrate(model: keras.Model, data: Any, *, class_names: Sequence[str] | None = None) -> Calibration:
    """Makes the probabilities of a model mean what they say, on images that it was not trained on.

    Temperature scaling: logits are divided by the one number with which the probabilities of what is true are largest
    on the images. It is folded into the last layer, so that the model stays as plain as it is. The class with the
    largest probability stays the same, and so does the accuracy.

    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017), section 4.2,
    https://arxiv.org/abs/1706.04599. Departure from the paper: as in Platt, "Probabilistic Outputs for Support Vector
    Machines" (1999), section 2.2, a true class counts for (n + 1) / (n + 2) with n images, since a set on which all
    answers are right would make the model sure of everything.

    Args:
        model: a model made by `build_model`, or any whose last layer with numbers is a `Dense` or `Rescaling` layer
            before softmax or sigmoid. Its last layer is changed. Of a model with a head for every pixel it is the
            convolutions whose logits are enlarged and added, and the temperature is that of some of its pixels.
        data: data with a validation split, from which images are taken; or images and labels in any form that
            `evaluate` takes.
        class_names: of labels in another form; see `evaluate`.

    Returns:
        The temperature, and a report before and after on the same images. A temperature below 0.05 or above 20 is not
        used: where it would be, the limit stands for it, and the result says so.

    Raises:
        InputError: if the model estimates values, or ends otherwise.
        DataError: if there are no images.

    Example:
        >>> import numpy as np
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32)
        >>> found = calibrate(model, (np.zeros((60, 32, 32, 3)), np.arange(60) % 2))
        >>> print(f"{found.before.metrics['loss']:.4f}")
        0.6931
    """
    from scipy.optimize import minimize_scalar

    last = _last_layers(model)
    answers = Answers.on(model, _held_out(data), class_names)
    logits = answers.task.logits(answers.outputs)
    if not np.isfinite(answers.outputs).all():
        raise DataError("Expected outputs that are numbers, to calibrate. Received: not a number, for some image.")
    before = answers.report()
    if logits is None or not isinstance(before, Report):
        raise InputError("Expected a model that gives probabilities. Received: one that estimates values.")
    if before.images < FEW:
        said = f"A temperature from {before.images} images is a guess; {FEW} or more tell it."
        warnings.warn(said, DataWarning, stacklevel=2)
    smoothing = 1 / (before.answers + 2)

    def loss(power: float) -> float:
        return answers.task.log_loss(logits / np.exp(power), answers.labels, smoothing)

    bounds = (np.log(_LEAST), np.log(_MOST))
    found = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x))
    _divide(model, last, found, answers.task)
    after = replace(answers, outputs=answers.task.outputs(logits / found)).report()
    return Calibration(found, before, cast(Report, after))


def _held_out(data: Any) -> Any:
    if not hasattr(data, "splits"):
        return data
    if "validation" not in data.splits:
        raise DataError("Expected data with a validation split, or a dataset. Received: data without one.")
    return data.validation


def _last_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers that make the logits: one; or of answers for every pixel all whose maps are added up."""
    if len(model.output_shape) == 4:
        found = {id(layer): layer for layer in _convolutions(model, model.outputs[0])}
        if found:
            return list(found.values())
    layers = [layer for layer in model.layers if not isinstance(layer, (keras.layers.InputLayer, *_IDLE))]
    last = layers[-1] if layers else None
    if not isinstance(last, keras.layers.Dense | keras.layers.Rescaling):
        raise InputError(
            "Expected a model whose last layer with numbers is a Dense or Rescaling layer. Received: "
            f"{getattr(last, 'name', None)!r}, a {type(last).__name__}."
        )
    return [last]


def _convolutions(model: keras.Model, tensor: keras.KerasTensor) -> Iterator[keras.layers.Layer]:
    """Yields the convolutions from which a tensor is made by what is linear and has no numbers: enlarging, adding."""
    node = next(node for node in nodes(model) if any(made is tensor for made in node.output_tensors))
    if isinstance(node.operation, keras.layers.Conv2D):
        yield node.operation
    elif isinstance(node.operation, (*_IDLE, *_LINEAR)):
        for needed in node.input_tensors:
            yield from _convolutions(model, needed)


def _divide(model: keras.Model, layers: Sequence[keras.layers.Layer], temperature: float, task: Task) -> None:
    """Divides what layers give, and looks at the outputs for some noise whether that divides the logits."""
    size = [side or _SIDE for side in model.input_shape[1:]]
    highest = _TOKENS if "int" in model.inputs[0].dtype else 255
    noise = np.random.default_rng(0).uniform(0, highest, (4, *size)).astype(model.inputs[0].dtype)
    before = model.predict_on_batch(noise)
    kept = [(layer, _scales(layer), layer.get_weights()) for layer in layers]
    for layer, scales, weights in kept:
        for name, value in scales.items():
            setattr(layer, name, (np.asarray(value) / temperature).tolist())
        layer.set_weights([weight / temperature for weight in weights])
    _forget_traces(model)
    clear = ((before > 1e-30) & ((before < 1 - 1e-6) | (task.activation == "softmax"))).all(axis=-1)
    far = np.abs(model.predict_on_batch(noise) - _tempered(before, temperature, task))[clear]
    if far.max(initial=0) > _CLOSE:
        for layer, scales, weights in kept:
            layer.set_weights(weights)
            for name, value in scales.items():
                setattr(layer, name, value)
        _forget_traces(model)
        raise InputError(
            f"Expected a model in which {[layer.name for layer in layers]} give the logits. Received: one whose logits "
            "are not divided by dividing what they hold. The model is as it was."
        )


def _scales(layer: keras.layers.Layer) -> dict[str, Any]:
    names = ("scale", "offset") if isinstance(layer, keras.layers.Rescaling) else ()
    return {name: getattr(layer, name) for name in names}


def _tempered(outputs: np.ndarray, temperature: float, task: Task) -> np.ndarray:
    if outputs.shape[-1] == 1:  # the probability of the second of two classes
        return _tempered(np.concatenate([1 - outputs, outputs], axis=1), temperature, task)[:, 1:]
    logits = task.logits(outputs)
    return outputs if logits is None else task.outputs(logits / temperature)


def _forget_traces(model: keras.Model) -> None:
    """Scales are constants in what was traced."""
    model.train_function = model.test_function = model.predict_function = None
