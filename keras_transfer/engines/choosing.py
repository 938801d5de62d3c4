"""choose: the engine that runs a model over a number of images in the least time, with TensorFlow's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._logging import say
from keras_transfer.engines.engine import ENGINES, Run
from keras_transfer.engines.freezing import inference

TENSORFLOW = "tensorflow"
CLOSE = 1e-5  # largest relative difference to TensorFlow's numbers
_LONG = 0.1  # seconds of a run that need not be repeated to be known
_WORTH = 3.0  # times of compiling an engine that the work ahead must take
_ANOTHER = 10.0  # the same where one is found already: the next may be faster, but hardly twice


@dataclass(frozen=True)
class Chosen:
    """An engine that was chosen for a model.

    Attributes:
        name: of the engine.
        run: the compiled model.
        why: in a few words.
        difference: largest relative difference to TensorFlow's numbers; None for TensorFlow.
    """

    name: str
    run: Run
    why: str
    difference: float | None = None


def choose(model: keras.Model | Any, sample: np.ndarray, images: int, asked: str = "auto") -> Chosen:
    """Chooses the engine for a model.

    Args:
        model: functional, with one input; or a concrete function with one input that gives a list.
        sample: a batch of images, or tokens, as it will get them.
        images: number of them that it will run on.
        asked: name of an engine; "auto" for the one that takes the least time, compiling included.

    Raises:
        InputError: if the engine that is asked for is not installed, cannot run the model or gives other numbers.
    """
    named = str(getattr(model, "name", "the function"))
    model = inference(model)  # traced once for all
    plain = ENGINES.find(TENSORFLOW).compile(model)
    if asked == TENSORFLOW:
        return Chosen(TENSORFLOW, plain, "as asked")
    expected = plain(sample)
    if asked != "auto":
        return _asked(model, named, sample, expected, asked)
    if tf.config.list_physical_devices("GPU"):
        return Chosen(TENSORFLOW, plain, "there is a GPU")
    seconds = _seconds(plain, sample) / len(sample)
    whole = seconds * images
    best = Chosen(TENSORFLOW, plain, f"{1 / seconds:.0f} images a second")
    refused = ""
    others = [name for name in ENGINES.names() if name != TENSORFLOW and ENGINES.find(name).installed]
    slower = 1.0  # how many times the usual seconds of compiling this model takes
    for name in sorted(others, key=lambda name: ENGINES.find(name).compiling):
        usual = ENGINES.find(name).compiling
        if whole < (_WORTH if best.name == TENSORFLOW else _ANOTHER) * usual * slower:
            break
        begun = perf_counter()
        try:
            run, difference = _checked(model, named, sample, expected, name)
        except InputError as error:
            refused += f"; {error}"
            continue
        slower = max(slower, (perf_counter() - begun) / usual)
        its_seconds = _seconds(run, sample) / len(sample)
        if perf_counter() - begun + its_seconds * images < whole:
            whole = its_seconds * images  # what is spent is spent
            why = f"{1 / its_seconds:.0f} images a second, TensorFlow {1 / seconds:.0f}; differs by {difference:.0e}"
            best = Chosen(name, run, why, difference)
    return replace(best, why=best.why + refused)


class Runner:
    """Runs a model over batches, by the engine that the first of them chooses.

    Args:
        model: as for `choose`.
        images: number of them that will come; 0 where that is not known.
        asked: name of an engine, or "auto".
        saying: what is computed, for a line that tells the engine if it is not TensorFlow; None to say nothing.
    """

    def __init__(self, model: keras.Model | Any, images: int, asked: str, saying: str | None):
        self._model, self._images, self._asked, self._saying = model, images, asked, saying
        self._dtype = tf.as_dtype(model.inputs[0].dtype).as_numpy_dtype
        self._run: Run | None = None

    def __call__(self, images: Any) -> Sequence[np.ndarray]:
        """Returns the outputs for a batch."""
        batch = np.asarray(images, self._dtype)
        if self._run is None:
            chosen = choose(self._model, batch, self._images, self._asked)
            self._run = chosen.run
            if self._saying and chosen.difference is not None:
                say(f"{self._saying}: computed by {chosen.name}, {chosen.why}")
        return self._run(batch)


def _asked(model: Any, named: str, sample: np.ndarray, expected: Sequence[np.ndarray], name: str) -> Chosen:
    engine = ENGINES.find(name)
    if not engine.installed:
        raise InputError(
            f"Expected an engine that is installed. Received: {name!r}; pip install 'keras-transfer[{engine.extra}]'."
        )
    run, difference = _checked(model, named, sample, expected, name)
    return Chosen(name, run, f"as asked; differs by {difference:.0e}", difference)


def _checked(
    model: Any, named: str, sample: np.ndarray, expected: Sequence[np.ndarray], name: str
) -> tuple[Run, float]:
    """Compiles a model and compares its numbers with TensorFlow's."""
    try:
        run = ENGINES.find(name).compile(model)
        found = run(sample)
    except Exception as error:  # whatever the runtime raises: TensorFlow is there
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(f"The engine {name!r} cannot run {named!r} ({type(error).__name__}: {reason}).") from error
    difference = max(map(relative_difference, found, expected))
    if not difference <= CLOSE:
        raise InputError(
            f"The engine {name!r} gives other numbers than TensorFlow for {named!r}: they differ by "
            f"{difference:.0e} of the largest, and {CLOSE:g} is accepted."
        )
    return run, difference


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference, in shares of the largest expected number; infinite for other shapes."""
    if found.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(expected).max(initial=0.0))
    return float(np.abs(found - expected).max(initial=0.0)) / (largest or 1.0)


def _seconds(run: Run, sample: np.ndarray) -> float:
    """Returns the time of a run, after others that warmed it up; of a short one the shorter time of two."""
    times: list[float] = []
    while len(times) < 2 and sum(times) < _LONG:
        begun = perf_counter()
        run(sample)
        times.append(perf_counter() - begun)
    return min(times)
