"""Labels: the forms in which they come, turned into those of the tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer._checks import DataError


def as_answered(labels: np.ndarray, num_classes: int, one_class: bool) -> np.ndarray:
    """Brings labels to the form in which a report compares them with outputs.

    Args:
        labels: `(count,)`, `(count, 1)` or `(count, num_classes)`.
        num_classes: number of classes that the labels are of.
        one_class: whether an image has one class, so that rows of labels are one-hot, or shares of mixed images.

    Returns:
        `(count,)` for one class an image, `(count, num_classes)` for several labels.

    Example:
        >>> as_answered(np.array([[2], [0]]), 3, True), as_answered(np.eye(3)[[2, 0]], 3, True)
        (array([2, 0]), array([2, 0]))
    """
    if labels.ndim == 2 and labels.shape[1] == 1 and num_classes > 1:
        return labels[:, 0]  # as CIFAR-10 and `label_mode="binary"` have them
    if labels.ndim == 1 and num_classes == 1:
        return labels[:, None]  # one yes-or-no label for each image
    return labels.argmax(axis=1) if one_class and labels.ndim == 2 else labels


def numbers_of(labels: np.ndarray, class_names: Sequence[str] | None) -> np.ndarray:
    """Returns the numbers of classes that are given by name.

    Raises:
        DataError: if a name is of no class.
    """
    number = {name: index for index, name in enumerate(class_names or ())}
    texts = [each.decode() if isinstance(each, bytes) else str(each) for each in labels.reshape(-1).tolist()]
    strangers = sorted(set(texts) - set(number))
    if strangers:
        raise DataError(f"Expected labels of the classes {list(number)[:20]}. Received: {strangers[0]!r}.")
    return np.array([number[text] for text in texts], np.int64)


def renumbered(labels: np.ndarray, numbers: Sequence[int], count: int) -> np.ndarray:
    """Returns labels in which class k has the number `numbers[k]`, of `count` classes.

    Example:
        >>> renumbered(np.array([0, 1, 1]), [2, 0], 3)
        array([2, 0, 0])
        >>> renumbered(np.array([[1, 0], [1, 1]]), [2, 0], 3)
        array([[0, 0, 1],
               [1, 0, 1]])
    """
    if labels.ndim > 2:  # of parts of examples, -1 where there is none
        return np.where(labels < 0, labels, np.asarray(numbers)[labels])
    if labels.ndim == 1:
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(numbers)):
            return labels  # those that are of no class are refused where labels are compared
        return np.asarray(numbers)[labels.astype(int)]
    found = np.zeros((len(labels), count), labels.dtype)
    found[:, list(numbers)] = labels
    return found
