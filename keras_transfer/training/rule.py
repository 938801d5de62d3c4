"""The rule of recipes: how long they train and what they open, by the number of images and classes.

What it was found by stands in the guide to tuning. The size of the images does not matter to it: they have the size
that the network is built for.
"""

from __future__ import annotations

from dataclasses import replace

from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.tasks import TASKS, Regression

EPOCHS, MORE, STAGES, RATE = 6, 12, 3, 3e-4
_STEPS = 3000  # from which on there are fewer epochs
_EACH = 20  # training images a class, from which on stages are opened


def epochs_for(data: LabelledData, most: int = EPOCHS) -> int:
    """Returns the epochs of training after a solved head: so many at most, and from `_STEPS` steps on fewer, down to 2.

    BiT-HyperRule fixes the number of steps by the number of images (Kolesnikov and others, "Big Transfer", 2020,
    section 3.3, https://arxiv.org/abs/1912.11370): 500 for fewer than 20,000, then 10,000. Departure: a head that is
    solved is a start from which less is to learn, and two cores do not make so many steps.
    """
    return max(min(most, _STEPS // data.steps), 2)


def opens(data: LabelledData) -> bool:
    """Says whether there are images enough to open stages: 20 a class, or 100 for values."""
    count = 5 if data.task is TASKS.find(Regression.name) else data.num_classes
    return len(data.splits["train"]) >= _EACH * count


def with_augmentation(data: LabelledData, name: str) -> LabelledData:
    """Returns data augmented as it says, or by a name if it leaves that to a recipe: "auto", or none but for "none"."""
    decides = data.augment == "auto" or (not data.augmented and name != "none")
    return replace(data, augment=name) if decides else data  # type: ignore[type-var]
