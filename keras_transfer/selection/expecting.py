"""What a solved head is expected to reach on frozen features, by its cross-validation."""

from __future__ import annotations

from keras_transfer._checks import DataError
from keras_transfer.features.ranking import Evidence

ACCURACY, R2 = "accuracy", "R2"


def measure_of(evidence: Evidence) -> str:
    """Returns the name of what is expected."""
    return ACCURACY if evidence.task.needs_classes else R2


def expected_of(evidence: Evidence) -> float | None:
    """Returns the accuracy in [0, 1], or R2 for values; None where there is nothing to check it by."""
    try:
        checked = evidence.checked
    except DataError:  # one class alone
        return None
    if checked is None or checked.accuracy is not None:
        return None if checked is None else checked.accuracy
    varying = int((evidence.targets.std(axis=0) > 0).sum())
    # the loss is half of the squared error of standardised values
    return 1 - 2 * checked.loss / varying if varying else None
