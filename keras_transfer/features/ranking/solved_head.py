"""The solved head: the loss of the best linear head in a cross-validation."""

from __future__ import annotations

from keras_transfer._checks import DataError
from keras_transfer.features.ranking.evidence import RANKINGS, Evidence


@RANKINGS.register("solved_head")
def solved_head(evidence: Evidence) -> float:
    """Returns -1 times the loss of a solved head on images held out, the smallest over its penalties.

    It is the loss that schedule="solve" chooses its penalty by, a mean over five folds: the cross-entropy, or half of
    the squared error of standardised values. Higher is better.

    Raises:
        DataError: if there are no two images of a class, or groups, to check one by the other.
    """
    if evidence.checked is None:
        raise DataError("Expected two images of a class, or groups, to check one by the other. Received: fewer.")
    return -evidence.checked.loss
