"""Balances: ways to make classes with few images count as much as those with many, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._logging import say
from keras_transfer._registry import Registry
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.tasks import TASKS, Classification


class Balance:
    """A way to make all classes count the same; this one changes nothing. A subclass changes one of three things.

    Attributes:
        said: what is done, before the number of images of the classes.
    """

    said: ClassVar[str] = ""

    def drawn(self, data: LabelledData) -> LabelledData:
        """Returns the data to train on."""
        return data

    def weights(self, labels: np.ndarray) -> dict[int, float] | None:
        """Returns the weight of each class in the loss; None where all weigh the same."""
        return None

    def log_priors(self, labels: np.ndarray, num_classes: int) -> np.ndarray | None:
        """Returns what is added to the logits in the loss, float64 `(num_classes,)`; None for nothing."""
        return None


class ClassWeight(Balance):
    """Weights in the loss: an image of a rare class weighs more, so that all classes weigh the same."""

    said = "classes weigh the same in training: they have"

    def weights(self, labels: np.ndarray) -> dict[int, float] | None:
        return TASKS.find(Classification.name).balanced_weights(labels)


class Sampling(Balance):
    """Balanced sampling: each class is drawn equally often. A head that is solved has class weights instead."""

    said = "classes are drawn equally often: they have"

    def drawn(self, data: LabelledData) -> LabelledData:
        return data.balanced()


class LogitAdjustment(Balance):
    """The logarithm of a class's share of the images is added to its logit, in the loss alone.

    The model then answers as if all classes were equally frequent. Menon and others, "Long-tail learning via logit
    adjustment" (ICLR 2021), https://arxiv.org/abs/2007.07314, equation 10 with tau = 1; of a head that is solved
    equation 9, after it.
    """

    said = "logit adjustment: classes have"

    def log_priors(self, labels: np.ndarray, num_classes: int) -> np.ndarray:
        return np.log(np.bincount(labels, minlength=num_classes) / len(labels))


BALANCES: Registry[Balance] = Registry("balance")
BALANCES.register("class_weight")(ClassWeight())
BALANCES.register("sampling")(Sampling())
BALANCES.register("logit_adjustment")(LogitAdjustment())


def find_balance(name: str | None, data: LabelledData, loss: Any, verbose: str | int) -> Balance:
    """Returns the balance of a name, for the data and the loss to train with, and says what it does.

    Raises:
        InputError: if data and loss do not allow it.
    """
    if name is None:
        return Balance()
    found, received = BALANCES.find(name), f"Received: balance={name!r} with"
    if data.task is not TASKS.find(Classification.name):
        raise InputError(
            f"Expected one class an image, to balance classes. {received} {data.task.said_of_labels}. Pass a loss that "
            "weighs them."
        )
    if data.sampling == "balanced" and not isinstance(found, Sampling):
        raise InputError(
            f"Expected data whose classes are not balanced yet. {received} data that draws classes equally often. "
            "Leave out one of both."
        )
    counts = data.counts["train"]
    if isinstance(found, LogitAdjustment):
        if loss is not None:
            raise InputError(
                f"Expected no `loss` with the adjustment of logits, which is one of cross-entropy. {received} "
                f"loss={loss!r}. Leave out `loss`, or take balance='sampling'."
            )
        missing = [name for name, count in counts.items() if not count]
        if missing:
            raise InputError(
                f"Expected training images of every class, whose shares adjust the logits. {received} none of "
                f"{missing[:20]}. Take balance='sampling', which leaves them out."
            )
    if verbose:
        few = [count for count in counts.values() if count]
        say(f"{found.said} {min(few)} to {max(few)} images")
    return found


def weights_by_number(weights: Mapping[Any, float], class_names: Sequence[str]) -> dict[int, float]:
    """Returns the weight of each class by its number; 1 for those that are not named, as in scikit-learn."""
    numbers = {name: number for number, name in enumerate(class_names)}
    found = dict.fromkeys(range(len(class_names)), 1.0)
    for label, weight in weights.items():
        number = numbers.get(label, label) if isinstance(label, str) else label
        if number not in found:
            raise InputError(
                f"Expected weights of the classes {list(class_names[:20])}, by name or number. Received: {label!r}."
            )
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise InputError(f"Expected weights that are numbers from 0 on. Received: {weight!r} for {label!r}.")
        found[int(number)] = float(weight)
    return found


def adjusted(loss: str, log_priors: np.ndarray) -> Callable[[Any, Any], Any]:
    """Returns a cross-entropy of logits to which the logarithms of the classes' shares are added.

    Of probabilities p and shares s, the adjusted ones are p s / sum(p s). So the loss is the plain one of p, less the
    logarithm of the label's s, plus that of the sum, which is never near 0: it is as exact as the plain one.

    Args:
        loss: name of the plain one, of Keras.
        log_priors: float `(num_classes,)`; of one output, which tells two classes apart, those of both.
    """
    plain, logs = keras.losses.get(loss), log_priors.astype(np.float32)

    def adjusted_loss(labels: Any, outputs: Any) -> Any:
        ops = keras.ops
        probabilities = ops.cast(outputs, "float32")
        if outputs.shape[-1] == 1:
            probabilities = ops.concatenate([1 - probabilities, probabilities], -1)
        total = ops.log(ops.sum(probabilities * np.exp(logs), -1))
        if len(labels.shape) == 2 and labels.shape[-1] == len(logs):
            of_label = ops.sum(ops.cast(labels, "float32") * logs, -1)
        else:
            of_label = ops.take(logs, ops.cast(ops.reshape(labels, (-1,)), "int32"))
        return ops.add(plain(labels, outputs), total - of_label)

    return adjusted_loss
