"""rank_backbones: which network suits a task, by one pass of each over the images and without training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import VERBOSE, Flag, Kind, Whole, takes
from keras_transfer._checks import DataWarning, InputError, KerasTransferError
from keras_transfer._logging import say
from keras_transfer.caching import Cache
from keras_transfer.caching.activations import Activations
from keras_transfer.caching.cuts import FEATURES
from keras_transfer.data import ImageData
from keras_transfer.data.splitting.splits import draw, strata_of
from keras_transfer.features.ranking import RANKINGS, Evidence, Ranking
from keras_transfer.models.origins import name_of
from keras_transfer.models.stages import split
from keras_transfer.selection.candidates import Candidate, Several, find_candidates
from keras_transfer.selection.costs import megabytes_of, milliseconds_of
from keras_transfer.selection.expecting import expected_of, measure_of
from keras_transfer.selection.promise import Promise, promise_of
from keras_transfer.selection.ranked import BackboneRanking, RankedBackbone

_SOME = 400  # images by which the promise is measured


@takes(
    data=Kind(ImageData, "ImageData, such as kt.data.from_directory returns"),
    images=Whole(2) | None,
    promise=Flag(),
    cache=Kind(Cache, "a Cache") | None,
    verbose=VERBOSE,
)
def rank_backbones(
    data: ImageData,
    candidates: Several = None,
    by: str | Ranking | Sequence[str | Ranking] = "logme",
    *,
    images: int | None = 1000,
    promise: bool = True,
    cache: Cache | None = None,
    verbose: str | int = "auto",
) -> BackboneRanking:
    """Ranks networks for a task, by one pass of each over the training images and without training.

    The features of each frozen network are computed once, by the activation cache and its engines. A score then tells
    how well they suit the labels, and the cross-validation of a solved head which accuracy to expect. Fine-tuning
    usually reaches more.

    Args:
        data: images with labels; the training images are looked at, without augmentation.
        candidates: names of networks, `kt.Backbone`s, models, `kt.Candidate`s, or a mapping from names to these; "all"
            for every network of Keras; None for ten of them, from small to large. Weights that are not on this machine
            are downloaded.
        by: score that orders the networks: name in `kt.available("ranking")`, or a function of a
            `kt.ranking.Evidence` that returns a number, higher for better; or a list of these, of which the first
            orders.
        images: how many training images to look at, 2 or more, drawn with the classes' shares; None for all.
        promise: whether to measure what pretrained features are worth for this task, beside random ones and pixels.
        cache: where features are kept; by default on disk, so that a second ranking has them.
        verbose: as in Keras' `fit`; 0 to say nothing.

    Returns:
        A table with the networks, the best first: scores, the accuracy to expect, milliseconds and megabytes.
        Candidates that could not be loaded, or whose features do not tell the images apart, are named with the reason.

    Raises:
        InputError: if a candidate or a score is unknown, or no candidate can be ranked.

    Example:
        >>> from keras_transfer import data
        >>> pictures = np.random.default_rng(0).integers(0, 255, (24, 32, 32, 3), "uint8")
        >>> images = data.from_arrays(pictures, np.arange(24) % 2, class_names=["a", "b"])
        >>> small = Candidate("MobileNet", None, backbone_options={"alpha": 0.25})
        >>> ranking = rank_backbones(images, {"small": small}, promise=False, verbose=0)
        >>> ranking.best
        'small'
    """
    given = [by] if isinstance(by, str) or callable(by) else by
    if not isinstance(given, (list, tuple)) or not given:
        raise InputError(f"Expected `by` to be {RANKINGS.words}, or a list of these. Received: by={by!r}.")
    scores = {name_of(each): RANKINGS.find(each) for each in given}
    if len(scores) < len(given):
        raise InputError(f"Expected scores with names of their own. Received: {[name_of(each) for each in given]}.")
    order, every = next(iter(scores)), find_candidates(candidates)
    sample = _sample(data, images)
    cache = cache or Cache("disk")
    rows: list[RankedBackbone] = []
    left_out: dict[str, str] = {}
    last: _Looked | None = None
    smallest: _Looked | None = None  # of those with weights
    for number, (name, candidate) in enumerate(every.items(), start=1):
        if verbose:
            say(f"candidate {number} of {len(every)}: {name}")
        begun = perf_counter()
        try:
            looked = _look(name, candidate, sample, cache, verbose, answering="leep" in scores)
            found = {each: _score(ranking, looked.evidence, each == order) for each, ranking in scores.items()}
        except KerasTransferError as error:
            left_out[name] = str(error)
            continue
        milliseconds = milliseconds_of(looked.prefix, looked.data.image_size, looked.data.channels)
        megabytes = megabytes_of(looked.prefix)
        expected, seconds = expected_of(looked.evidence), perf_counter() - begun
        rows.append(RankedBackbone(name, found, expected, milliseconds, megabytes, seconds))
        last = looked
        if candidate.pretrained and (smallest is None or megabytes < megabytes_of(smallest.prefix)):
            smallest = looked
    if last is None:
        raise InputError("Expected a candidate that can be ranked. Received: " + _listed(left_out))
    rows.sort(key=lambda row: row.scores[order] or 0.0, reverse=True)
    worth = None
    if promise and smallest is not None and expected_of(smallest.evidence) is not None:
        worth = _promise(smallest)
    if worth is not None and not worth.pays:
        warnings.warn(str(worth), DataWarning, stacklevel=3)
    count, measure = len(sample.splits["train"]), measure_of(last.evidence)
    return BackboneRanking(order, tuple(rows), left_out, measure, count, worth, every, data)


class _Looked:
    """A network, and what it gives for the images."""

    def __init__(self, name: str, model: keras.Model, data: ImageData, features: np.ndarray, answers: Any):
        self.name, self.model, self.data, self.features = name, model, data, features
        self.prefix, examples = split(model, FEATURES)[0], data.splits["train"]
        self.evidence = Evidence(features, examples.labels, data.num_classes, answers, examples.groups, data.seed)


def _look(
    name: str, candidate: Candidate, sample: ImageData, cache: Cache, verbose: str | int, *, answering: bool
) -> _Looked:
    """Builds a network and runs the images through it, and the head that it was trained with if `answering`.

    Raises:
        KerasTransferError: if it cannot be built, or gives the same for all images.
    """
    data, model = candidate.data(sample), candidate.build(sample)
    (array,) = Activations(model, data, [FEATURES], cache, ["train"], verbose).at(FEATURES)["train"]
    features = array.read(np.arange(len(data.splits["train"])))
    if not np.isfinite(features).all():
        raise InputError("its features are not finite numbers.")
    if not np.ptp(features, axis=0).any():
        raise InputError("it gives the same features for all images.")
    head = candidate.source_head() if answering else None
    answers = None if head is None else head.predict(features, verbose=0)
    return _Looked(name, model, data, features, answers)


def _score(ranking: Ranking, evidence: Evidence, needed: bool) -> float | None:
    """Returns a score; None where the network has none and it is not the one that orders them."""
    try:
        found = ranking(evidence)
        if not isinstance(found, (int, float, np.number)) or not np.isfinite(found):
            raise InputError(f"its score {name_of(ranking)!r} is no finite number: {found!r}.")
        return float(found)
    except KerasTransferError:
        if needed:
            raise
        return None


def _sample(data: ImageData, images: int | None) -> ImageData:
    """Returns the data with so many training images at most, without augmentation."""
    examples = data.splits["train"]
    if images is not None and images < len(examples):
        examples = examples.take(draw(strata_of(examples), len(examples), images, data.seed))
    return replace(data, splits={"train": examples}, augment="none", taught=None, sampling="once")


def _promise(looked: _Looked) -> Promise:
    chosen = draw(strata_of(looked.data.splits["train"]), len(looked.features), _SOME, looked.data.seed)
    some = replace(looked.data, splits={"train": looked.data.splits["train"].take(chosen)})
    examples = some.splits["train"]
    evidence = replace(looked.evidence, labels=examples.labels, groups=examples.groups)
    return promise_of(looked.name, looked.model, some, looked.features[chosen], evidence)


def _listed(left_out: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
