"""Adapts a model to images of another kind that have no labels.

Training adds a loss on labelled source images and unlabelled target images. Validators and reports judge the result
without labels of the target.
"""

from keras_transfer.adaptation.adaptation_model import AdaptationModel
from keras_transfer.adaptation.adapting import adapt
from keras_transfer.adaptation.choosing import AdaptationChoice, choose_adaptation
from keras_transfer.adaptation.reporting import AdaptationReport, adaptation_report

__all__ = [
    "AdaptationChoice",
    "AdaptationModel",
    "AdaptationReport",
    "adapt",
    "adaptation_report",
    "choose_adaptation",
]
