"""Schedules: which parts of a model are trained, for how many epochs, and at which learning rate.

It may import `_arguments` and what is below it, and neither Keras nor TensorFlow nor NumPy. A schedule is a function
`(epochs, learning_rate, stages) -> tuple[Phase, ...]`, or such a tuple written by hand.
"""

from keras_transfer.schedules import rates
from keras_transfer.schedules.named import (
    SCHEDULES,
    Schedule,
    chain_thaw,
    feature_extraction,
    fine_tune,
    gradual,
    last_n,
    linear_probe_then_fine_tune,
    plan,
    solve,
    surgical,
    ulmfit,
)
from keras_transfer.schedules.solved_start import from_solved

__all__ = [
    "SCHEDULES",
    "Schedule",
    "chain_thaw",
    "feature_extraction",
    "fine_tune",
    "from_solved",
    "gradual",
    "last_n",
    "linear_probe_then_fine_tune",
    "plan",
    "rates",
    "solve",
    "surgical",
    "ulmfit",
]
