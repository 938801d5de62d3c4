"""Adapting to a domain without labels: the same training with a loss on two domains, and what it did to the data."""

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
