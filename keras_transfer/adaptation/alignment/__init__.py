"""The methods of adaptation, one file each.

Most of them align two domains by a loss on a batch of features and predictions from each. Three add no loss: "none",
the baseline, trains on the source alone, "mixstyle" changes feature maps, and "adabn" changes statistics afterwards.
"""

from keras_transfer.adaptation.alignment.adabn import AdaBN
from keras_transfer.adaptation.alignment.cdan import CDAN
from keras_transfer.adaptation.alignment.coral import CORAL
from keras_transfer.adaptation.alignment.dann import DANN
from keras_transfer.adaptation.alignment.information_maximization import InformationMaximization
from keras_transfer.adaptation.alignment.jmmd import JMMD
from keras_transfer.adaptation.alignment.mcc import MCC
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch, FromFunction, find_method
from keras_transfer.adaptation.alignment.mixstyle import MixStyle
from keras_transfer.adaptation.alignment.mmd import KERNELS, MMD
from keras_transfer.adaptation.alignment.source_only import SourceOnly

__all__ = [
    "ALIGNMENTS",
    "CDAN",
    "CORAL",
    "DANN",
    "JMMD",
    "KERNELS",
    "MCC",
    "MMD",
    "AdaBN",
    "Alignment",
    "Batch",
    "FromFunction",
    "InformationMaximization",
    "MixStyle",
    "SourceOnly",
    "find_method",
]
