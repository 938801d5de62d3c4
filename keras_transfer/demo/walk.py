"""The road that the demos of folders walk: draw, train, evaluate, export, answer, and compare with other ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import keras

from keras_transfer._folders import check_writable
from keras_transfer.data import ImageData, SoundData
from keras_transfer.demo.saying import Say, say_answers, say_medians, sayer
from keras_transfer.demo.scratch import Scratch
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.records.run import Run, save_run

Data = ImageData | SoundData
SCRATCH, TRANSFER = "from scratch", "transfer"


@dataclass(frozen=True)
class FolderDemo:
    """A demo whose examples are files in class folders.

    Attributes:
        about: what is to be seen, in a sentence.
        folder: name of the folder that is drawn.
        drawn, trained, judged, asked: what happens in the steps 1, 2, 3 and 5, in words.
        files: below the folder, one of each class, for which the exported version is asked.
        draw: writes the folder for a seed.
        read: reads it.
        train: trains a model on it, and returns the model and its History. Takes a seed and `verbose`.
        baseline: name of the simplest way.
        measure: returns the accuracy of that way, of a trained model, whose parts it may use, and the data.
        scratch: makes the training of the same network from random weights.
        meanings: of the three ways, in words.
    """

    about: str
    folder: str
    drawn: str
    trained: str
    judged: str
    asked: str
    files: Sequence[str]
    draw: Callable[[Path, int], None]
    read: Callable[[Path, int], Any]
    train: Callable[[Any, int, int], tuple[keras.Model, keras.callbacks.History]]
    baseline: str
    measure: Callable[[keras.Model, Any], float]
    scratch: Callable[[Any], Scratch]
    meanings: Mapping[str, str]

    def run(self, output: Path, seeds: Sequence[int], *, quiet: bool) -> dict[str, Any]:
        """Walks the road.

        Args:
            output: folder for the results.
            seeds: of the drawings and trainings; the model of the first one is exported.
            quiet: whether to print nothing.

        Returns:
            A dict: `accuracy` is the median over the seeds and `accuracies` the values, each by way; `version` is the
            exported version, `files` the files beside it, and `seconds` the time taken.
        """
        begin, say = time.monotonic(), sayer(quiet)
        say(f"{self.about}\n")
        output = output.expanduser()
        folder = output / self.folder
        check_writable(output)

        say(f"1  {self.drawn}")
        self.draw(folder, seeds[0])
        data = self.read(folder, seeds[0])
        say(f"{data}\n")

        say(f"2  {self.trained}")
        model, history = self.train(data, seeds[0], 0 if quiet else 2)
        kept = save_run(output, model, data, history, data.test)
        say_steps(say, kept, self.judged)

        say(f"5  answers from the SavedModel, {self.asked}")
        files = [folder / file for file in self.files]
        say_answers(say, kept.version, files, [file.parent.name for file in files], output)

        say(f"\n6  is it the transfer? The same task for others, {len(seeds)} seeds")
        accuracies: dict[str, list[float]] = {self.baseline: [], SCRATCH: [], TRANSFER: []}
        scratch = self.scratch(data)
        for seed in seeds:
            if seed == seeds[0]:
                accuracies[TRANSFER].append(kept.report.metrics["accuracy"])
            else:
                self.draw(folder, seed)
                data = self.read(folder, seed)
                model = self.train(data, seed, 0)[0]
                accuracies[TRANSFER].append(evaluate(model, data.test).metrics["accuracy"])
            accuracies[self.baseline].append(self.measure(model, data))
            accuracies[SCRATCH].append(scratch.best_accuracy(data, seed))
            say(f"   seed {seed}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in accuracies.items()))
        medians = {name: median(values) for name, values in accuracies.items()}
        say_medians(say, medians, self.meanings)
        return conclude(say, output, kept, f"{files[-1]}", begin, {"accuracy": medians, "accuracies": accuracies})


def say_steps(say: Say, kept: Run, judged: str) -> None:
    """Shows how good a model is, and where its version lies: the steps 3 and 4."""
    say(f"\n3  evaluate, on {judged}\n{kept.report}\n")
    say(f"4  export\n{kept.version} (a SavedModel for TF Serving)\n")


def conclude(say: Say, output: Path, kept: Run, example: str, begin: float, found: Mapping[str, Any]) -> dict[str, Any]:
    """Says what to try next, and returns what a demo found, with where it lies and how long it took."""
    seconds = time.monotonic() - begin
    say(f"\npictures in {output}: {', '.join(file for file in kept.files if file.endswith('.png'))}")
    say(f"try:  keras-transfer predict {output} {example}")
    say(f"done in {seconds:.0f} s")
    return {
        **found,
        "version": str(kept.version),
        "files": [str(output / file) for file in kept.files],
        "seconds": seconds,
    }
