"""Adapting to a domain without labels: the same training with a loss on two domains, and what it did to the data."""

from keras_transfer.domain_adaptation.adaptation_model import AdaptationModel
from keras_transfer.domain_adaptation.adapting import adapt
from keras_transfer.domain_adaptation.choosing import AdaptationChoice, choose_adaptation
from keras_transfer.domain_adaptation.reporting import AdaptationReport, adaptation_report

__all__ = [
    "AdaptationChoice",
    "AdaptationModel",
    "AdaptationReport",
    "adapt",
    "adaptation_report",
    "choose_adaptation",
]
