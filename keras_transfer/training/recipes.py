"""Recipes: whole ways from a pretrained network to a good model, by name, made of public parts.

A recipe is a function `(model, data, tune, verbose) -> History`. It trains the model in place by `tune(schedule=...)`,
which is `fine_tune` with all settings that are left to the user, and may change the weights afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._logging import say
from keras_transfer._registry import Registry
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.copies import copy_model
from keras_transfer.models.stages import stages
from keras_transfer.schedules.named import SCHEDULES
from keras_transfer.schedules.parts import HEAD, Unfrozen
from keras_transfer.schedules.phases import Phase
from keras_transfer.training import blending
from keras_transfer.training.from_solved import Tune, calibrated, can_choose, from_solved, solves
from keras_transfer.training.rule import MORE, RATE, STAGES, epochs_for, opens, with_augmentation

_ULMFIT = SCHEDULES.find("ulmfit")
_HEAD_EPOCHS, _HEAD_RATE = 5, 3e-3  # of a head that cannot be solved

__all__ = ["best", "default", "epochs_for", "fast", "opened", "opens", "ulmfit"]
Recipe = Callable[[keras.Model, LabelledData, Tune, "str | int"], keras.callbacks.History]
RECIPES: Registry[Recipe] = Registry("recipe", callable, "a function (model, data, tune, verbose) -> History")


def follow(
    recipe: str | Recipe, model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int
) -> keras.callbacks.History:
    """Trains by a recipe, and says first what it does: the first line of its docstring."""
    found = RECIPES.find(recipe)
    said = (found.__doc__ or "").strip().splitlines()
    if verbose and said:
        say(f"recipe: {said[0]}")
    history = found(model, data, tune, verbose)
    if not isinstance(history, keras.callbacks.History):
        raise InputError(f"Expected a recipe that returns the History of `tune`. Received: {history!r} from {found!r}.")
    return history


@RECIPES.register("fast")
def fast(model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int) -> keras.callbacks.History:
    """Solves the head on the frozen network, and calibrates its probabilities."""
    plain = with_augmentation(data, "none")
    if solves(model, verbose):
        history = tune(schedule="solve", data=plain, average=None)  # one solution has no epochs to average
    else:
        history = tune(schedule="feature_extraction", data=plain)
    calibrated(model, data, verbose)
    return history


@RECIPES.register("default")
def default(model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int) -> keras.callbacks.History:
    """Solves the head, opens three stages from there, takes the best model between the two, and calibrates it.

    The stages are trained for six epochs, fewer where images are many (see `epochs_for`), by a rate that rises to 3e-4
    and falls along a cosine. The best model between the one with the solved head and that of the last epoch is the one
    of WiSE-FT (see `interpolate`): the smallest validation loss of eleven, of which the solved head is one. If the best
    epoch is better still, or there are fewer than 20 validation images, it is taken. With fewer than 20 training images
    a class the head alone is solved. Images are not augmented where the recipe may decide it (augment="auto").
    """
    history, _ = _opened(model, data, tune, verbose)
    calibrated(model, data, verbose)
    return history


@RECIPES.register("best")
def best(model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int) -> keras.callbacks.History:
    """Does what `default` does and two trainings more, with mirror images and with all stages, and takes the best.

    The second training solves the head on images and their mirror images and opens three stages on both. The third
    opens all stages from the better of both solved heads, on images that are augmented as `data` says; lightly, where
    it says "none" or "auto". Each ends with the best model between its solved head and its last epoch, as `default`
    does. The one with the smallest validation loss is taken, or the average of several (see `soup`) if that is
    smaller, and calibrated. With fewer than 20 validation images there is nothing to choose by, and with a head that
    cannot be solved nothing to begin with: then it is `default`. Where `data` is augmented in a way of its own there
    is no second training. Your `callbacks` see the first training; the History is that of the one that was taken.
    """
    history, solved = _opened(model, data, tune, verbose)
    if solved is not None:
        tried = [_Trained("as by default", copy_model(model), history, solved)]
        mirrored, seen = (with_augmentation(data, name) for name in ("mirror", "light"))
        if mirrored.augment == "mirror":
            phase = Phase(epochs_for(data, MORE), min(STAGES, len(stages(model))), RATE)
            again = partial(tune, views=2, watched=False)
            history, solved = from_solved(model, data, again, verbose, [phase], mirrored)
            tried.append(_Trained("with mirror images", copy_model(model), history, solved or tried[0].solved))
        begin = min((each.solved for each in tried), key=lambda weights: _loss_with(model, weights, data))
        model.set_weights(begin)
        phase, again = Phase(epochs_for(data, MORE), "all", RATE), partial(tune, watched=False)
        history, _ = from_solved(model, data, again, verbose, [phase], seen, begin)
        history.path = tried[0].history.path
        tried.append(_Trained("all stages", copy_model(model), history, begin))
        _take_best(model, tried, data, verbose)
    calibrated(model, data, verbose)
    return model.history


@RECIPES.register("ulmfit")
def ulmfit(model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int) -> keras.callbacks.History:
    """Solves the head, opens one more block in each epoch, each slower than the one after it, and calibrates (ULMFiT).

    For encoders of texts. The last block trains at up to 1e-4, each one before it at 1/2.6 of the rate of the one after
    it, and two epochs follow with all of them. The best model between the one with the solved head and that of the last
    epoch is taken, as in `default`. Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification"
    (2018), section 3, https://arxiv.org/abs/1801.06146. Departures: the head is solved in place of trained for an
    epoch; the rate is a slanted triangle in each epoch; and the language model is not trained further on the texts.
    """
    plain = with_augmentation(data, "none")
    phases = _ULMFIT(len(stages(model)) + 3, 2.6e-4, stages(model))
    if solves(model, verbose):
        history, _ = from_solved(model, data, tune, verbose, phases[1:], plain, rate="slanted_triangular")
    else:
        history = tune(schedule=phases, rate="slanted_triangular", data=plain)
    calibrated(model, data, verbose)
    return history


@dataclass(frozen=True, eq=False)
class _Trained:
    """What a training has led to: the model, its History, and the weights with the solved head that it began with."""

    named: str
    model: keras.Model
    history: keras.callbacks.History
    solved: list[np.ndarray]


def _loss_with(model: keras.Model, weights: list[np.ndarray], data: LabelledData) -> float:
    model.set_weights(weights)
    return blending.loss_of(evaluate(model, data.validation))


def _take_best(model: keras.Model, tried: Sequence[_Trained], data: LabelledData, verbose: str | int) -> None:
    """Gives a model the weights of the best of those that were tried, or of their average, and its History."""
    mixed = blending.soup([each.model for each in tried], data, verbose=0)
    losses = [blending.loss_of(evaluate(each, data.validation)) for each in [*(one.model for one in tried), mixed]]
    place = int(np.argmin(losses))
    names = [*(each.named for each in tried), "averaged"]
    model.set_weights([*(each.model for each in tried), mixed][place].get_weights())
    model.history = tried[min(place, len(tried) - 1)].history
    if verbose:
        said = ", ".join(f"{name} {loss:.4f}" for name, loss in zip(names, losses, strict=True))
        say(f"recipe: validation loss {said}; taken: {names[place]}")


def _opened(
    model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int
) -> tuple[keras.callbacks.History, list[np.ndarray] | None]:
    """Trains the head and then the last stages. Returns the weights with the solved head too, if there are any."""
    plain, last = with_augmentation(data, "none"), Phase(epochs_for(data), min(STAGES, len(stages(model))), RATE)
    if not solves(model, verbose):
        return tune(schedule=(Phase(_HEAD_EPOCHS, HEAD, _HEAD_RATE), last), rate="warmup_cosine", data=plain), None
    if opens(data):
        return from_solved(model, data, tune, verbose, [last], plain)
    if verbose:
        say(f"recipe: the head alone is solved, since {len(data.splits['train'])} training images are few")
    history = tune(schedule="solve", data=plain, average=None)
    return history, model.get_weights() if can_choose(data) else None


def opened(unfrozen: Unfrozen, epochs: int, learning_rate: float, *, augment: str = "none", views: int = 0) -> Recipe:
    """Makes a recipe as `default` is, of other numbers: for a search, or for one who knows them.

    Args:
        unfrozen: the parts that are opened after the head is solved, as in `set_trainable`, or a larger number.
        epochs: of their training.
        learning_rate: the largest; it rises to it and falls along a cosine.
        augment: name of an augmentation, where the data leaves it to the recipe.
        views: of augmented images that the cache keeps.
    """

    def recipe(model: keras.Model, data: LabelledData, tune: Tune, verbose: str | int) -> keras.callbacks.History:
        """Solves the head, trains on from there, takes the best model between the two, and calibrates it."""
        parts = min(unfrozen, len(stages(model))) if isinstance(unfrozen, int) else unfrozen
        phase, seen = Phase(epochs, parts, learning_rate), with_augmentation(data, augment)
        if solves(model, verbose):
            history, _ = from_solved(model, data, partial(tune, views=views), verbose, [phase], seen)
        else:
            history = tune(schedule=(Phase(_HEAD_EPOCHS, HEAD, _HEAD_RATE), phase), rate="warmup_cosine", data=seen)
        calibrated(model, data, verbose)
        return history

    return recipe
