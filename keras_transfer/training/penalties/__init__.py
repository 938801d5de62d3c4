"""Penalties: what is added to the loss so that training keeps near what was pretrained, one file each.

It may import `models` and what is below.
"""

from keras_transfer.training.penalties.batch_spectral_shrinkage import BatchSpectralShrinkage
from keras_transfer.training.penalties.delta import Delta
from keras_transfer.training.penalties.l2_sp import L2SP
from keras_transfer.training.penalties.penalty import PENALTIES, PENALTY, FromFunction, Penalty, Step, find_penalty
from keras_transfer.training.penalties.penalty_model import PenaltyModel

__all__ = [
    "L2SP",
    "PENALTIES",
    "PENALTY",
    "BatchSpectralShrinkage",
    "Delta",
    "FromFunction",
    "Penalty",
    "PenaltyModel",
    "Step",
    "find_penalty",
]
