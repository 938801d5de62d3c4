"""Contract checks for parts of your own: the promises that every head, backbone, task or method has to keep.

It may import everything but `demo` and `cli`. Call a check in a test of yours; it raises `BrokenContract`, which says
what was promised and what came, or returns nothing. The tests of this package run the same checks over every name.
"""

from keras_transfer.testing.adapting import check_alignment, check_validator
from keras_transfer.testing.augmenting import check_augmentation
from keras_transfer.testing.backbones import check_backbone
from keras_transfer.testing.contract import BrokenContract
from keras_transfer.testing.models import check_head, check_pooling
from keras_transfer.testing.schedules import check_rate, check_schedule
from keras_transfer.testing.tasks import check_task

__all__ = [
    "BrokenContract",
    "check_alignment",
    "check_augmentation",
    "check_backbone",
    "check_head",
    "check_pooling",
    "check_rate",
    "check_schedule",
    "check_task",
    "check_validator",
]
