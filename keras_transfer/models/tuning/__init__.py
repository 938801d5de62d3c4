"""Tunings: what little of a network is trained, one file each. The network gives the same at first.

It may import `copies` and `stages`, and `backbones`, and nothing else of `models`.
"""

from keras_transfer.models.tuning.adapter import Adapter
from keras_transfer.models.tuning.bias_and_norm import BiasAndNorm
from keras_transfer.models.tuning.full import Full
from keras_transfer.models.tuning.lora import LoRA
from keras_transfer.models.tuning.scale_shift import ScaleShift
from keras_transfer.models.tuning.tuning import TUNINGS, Tuning, fold, tuned, tuning_of

__all__ = [
    "TUNINGS",
    "Adapter",
    "BiasAndNorm",
    "Full",
    "LoRA",
    "ScaleShift",
    "Tuning",
    "fold",
    "tuned",
    "tuning_of",
]
