from . import alignment, augment, data, heads, hub, plots, pooling, rates, schedules, validators
from ._checks import DataWarning, InputError
from ._version import __version__
from .backbones import Backbone
from .batch_norm import BatchNormCheck, check_batch_norm
from .caching import Cache, CachedDataset, extract_features
from .callbacks import UnfreezeSchedule
from .catalogue import available
from .domain_adaptation import (
    AdaptationChoice,
    AdaptationModel,
    AdaptationReport,
    adapt,
    adaptation_report,
    choose_adaptation,
)
from .evaluation import Report, evaluate
from .fine_tuning import fine_tune
from .freezing import set_trainable
from .grad_cam import grad_cam
from .hub import HubLayer, hub_backbone
from .models import build_model, split, stages
from .optimizers import layerwise
from .phases import Phase
from .plots import plot_history, plot_schedule
from .rate_finder import RateCurve, find_learning_rate
from .runtimes import RuntimeReport, RuntimeResult, compare_runtimes, convert
from .serving import Difference, Prediction, ServedModel, Verification, export, load, sign, verify

__all__ = [
    "AdaptationChoice",
    "AdaptationModel",
    "AdaptationReport",
    "Backbone",
    "BatchNormCheck",
    "Cache",
    "CachedDataset",
    "DataWarning",
    "Difference",
    "HubLayer",
    "InputError",
    "Phase",
    "Prediction",
    "RateCurve",
    "Report",
    "RuntimeReport",
    "RuntimeResult",
    "ServedModel",
    "UnfreezeSchedule",
    "Verification",
    "__version__",
    "adapt",
    "adaptation_report",
    "alignment",
    "augment",
    "available",
    "build_model",
    "check_batch_norm",
    "choose_adaptation",
    "compare_runtimes",
    "convert",
    "data",
    "evaluate",
    "export",
    "extract_features",
    "find_learning_rate",
    "fine_tune",
    "grad_cam",
    "heads",
    "hub",
    "hub_backbone",
    "layerwise",
    "load",
    "plot_history",
    "plot_schedule",
    "plots",
    "pooling",
    "rates",
    "schedules",
    "set_trainable",
    "sign",
    "split",
    "stages",
    "validators",
    "verify",
]
