"""rank_backbones: which network suits a task, by one pass of each over the images and without training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

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
    scores, every = _scores(by), find_candidates(candidates, data)
    order, sample, cache = next(iter(scores)), _sample(data, images), cache or Cache("disk")
    looked: list[_Looked] = []
    left_out: dict[str, str] = {}
    smallest: _Looked | None = None  # of those with weights
    for number, (name, candidate) in enumerate(every.items(), start=1):
        if verbose:
            say(f"candidate {number} of {len(every)}: {name}")
        try:
            found = _look(name, candidate, sample, cache, scores, verbose)
        except KerasTransferError as error:
            left_out[name] = str(error)
            continue
        if candidate.pretrained and (smallest is None or found.row.megabytes < smallest.row.megabytes):
            smallest = found
        looked.append(replace(found, model=None))  # the models of all would not fit in memory
    if not looked:
        listed = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"Expected a candidate that can be ranked. Received: {listed}")
    worth = _promise(smallest) if promise and smallest is not None and smallest.row.expected is not None else None
    if worth is not None and not worth.pays:
        warnings.warn(str(worth), DataWarning, stacklevel=3)
    rows = sorted((each.row for each in looked), key=lambda row: row.scores[order] or 0.0, reverse=True)
    count, measure = len(sample.splits["train"]), measure_of(looked[0].evidence)
    return BackboneRanking(order, tuple(rows), left_out, measure, count, worth, every, data)


@dataclass(frozen=True, eq=False)
class _Looked:
    """What was found out about a network: its row of the table, and what that comes from."""

    row: RankedBackbone
    model: Any  # a keras.Model, for the network that the promise is of
    data: ImageData
    evidence: Evidence


def _scores(by: str | Ranking | Sequence[str | Ranking]) -> dict[str, Ranking]:
    """Returns the scores that are asked for, by their names."""
    given = [by] if isinstance(by, str) or callable(by) else by
    if not isinstance(given, (list, tuple)) or not given:
        raise InputError(f"Expected `by` to be {RANKINGS.words}, or a list of these. Received: by={by!r}.")
    scores = {name_of(each): RANKINGS.find(each) for each in given}
    if len(scores) < len(given):
        raise InputError(f"Expected scores with names of their own. Received: {[name_of(each) for each in given]}.")
    return scores


def _look(
    name: str,
    candidate: Candidate,
    sample: ImageData,
    cache: Cache,
    scores: Mapping[str, Ranking],
    verbose: str | int,
) -> _Looked:
    """Builds a network, runs the images through it, and scores what it gives.

    Raises:
        KerasTransferError: if it cannot be built, gives the same for all images, or lacks the first score.
    """
    begun = perf_counter()
    data, model = candidate.data(sample), candidate.build(sample)
    examples = data.splits["train"]
    (array,) = Activations(model, data, [FEATURES], cache, ["train"], verbose).at(FEATURES)["train"]
    features = array.read(np.arange(len(examples)))
    if not np.isfinite(features).all():
        raise InputError("its features are not finite numbers.")
    if not np.ptp(features, axis=0).any():
        raise InputError("it gives the same features for all images.")
    head = candidate.source_head() if "leep" in scores else None
    answers = None if head is None else head.predict(features, verbose=0)
    evidence = Evidence(features, examples.labels, data.num_classes, answers, examples.groups, data.seed)
    order = next(iter(scores))
    found = {each: _score(ranking, evidence, each == order) for each, ranking in scores.items()}
    network, expected = split(model, FEATURES)[0], expected_of(evidence)
    milliseconds, megabytes = milliseconds_of(network, data.image_size, data.channels), megabytes_of(network)
    row = RankedBackbone(name, found, expected, milliseconds, megabytes, perf_counter() - begun)
    return _Looked(row, model, data, evidence)


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
    """Measures on some of the images what the features of a network are worth."""
    examples, features = looked.data.splits["train"], looked.evidence.features
    chosen = draw(strata_of(examples), len(features), _SOME, looked.data.seed)
    some = replace(looked.data, splits={"train": examples.take(chosen)})
    evidence = replace(looked.evidence, labels=examples.labels[chosen], groups=some.splits["train"].groups)
    return promise_of(looked.row.name, looked.model, some, features[chosen], evidence)
