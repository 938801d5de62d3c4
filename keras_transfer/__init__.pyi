from . import data, hub, plots, schedules, testing
from ._checks import (
    DataError,
    DataWarning,
    DiskError,
    DownloadError,
    InputError,
    KerasTransferError,
    VerificationError,
)
from ._version import __version__
from .adaptation import (
    AdaptationChoice,
    AdaptationModel,
    AdaptationReport,
    adapt,
    adaptation_report,
    alignment,
    choose_adaptation,
    validators,
)
from .caching import Cache, CachedDataset, extract_features
from .catalogue import available
from .data import augment
from .features import ranking
from .hub import HubLayer, hub_backbone
from .insight.batch_norm import BatchNormCheck, check_batch_norm
from .insight.calibration import Calibration, calibrate
from .insight.evaluation import evaluate
from .insight.grad_cam import grad_cam
from .insight.tiles import predict_in_tiles
from .models import heads, pooling, token_pooling, tuning
from .models.backbones.backbone import Backbone
from .models.building import build_model
from .models.deltas import apply_delta, save_delta
from .models.extending import extend
from .models.freezing import set_trainable
from .models.loading import load_model
from .models.pyramid import pyramid
from .models.spectrograms import LogMel
from .models.stages import split, stages
from .models.tunable import Tunable, TunablePart, tunable
from .models.tuning import fold, tuned
from .plots import plot_history, plot_schedule
from .runtimes import RuntimeReport, RuntimeResult, compare_runtimes, convert
from .schedules import rates
from .schedules.phases import Phase
from .selection import BackboneRanking, Candidate, RankedBackbone, SearchResult, Trial, rank_backbones, search
from .serving import (
    Difference,
    Prediction,
    SegmentedImage,
    ServedModel,
    ServedTasks,
    TaggedText,
    Verification,
    export,
    export_many,
    load,
    load_many,
    predict_folder,
    predict_request,
    sign,
    verify,
)
from .tasks import MaskReport, Report, TagReport, ValuesReport
from .training import penalties, recipes
from .training.averaging import AverageEpochs
from .training.blending import interpolate, soup
from .training.distilling import distill
from .training.fine_tuning import fine_tune
from .training.layerwise import layerwise
from .training.penalties import PenaltyModel
from .training.rate_finder import RateCurve, find_learning_rate
from .training.unfreezing import UnfreezeSchedule

__all__ = [
    "AdaptationChoice",
    "AdaptationModel",
    "AdaptationReport",
    "AverageEpochs",
    "Backbone",
    "BackboneRanking",
    "BatchNormCheck",
    "Cache",
    "CachedDataset",
    "Calibration",
    "Candidate",
    "DataError",
    "DataWarning",
    "Difference",
    "DiskError",
    "DownloadError",
    "HubLayer",
    "InputError",
    "KerasTransferError",
    "LogMel",
    "MaskReport",
    "PenaltyModel",
    "Phase",
    "Prediction",
    "RankedBackbone",
    "RateCurve",
    "Report",
    "RuntimeReport",
    "RuntimeResult",
    "SearchResult",
    "SegmentedImage",
    "ServedModel",
    "ServedTasks",
    "TagReport",
    "TaggedText",
    "Trial",
    "Tunable",
    "TunablePart",
    "UnfreezeSchedule",
    "ValuesReport",
    "Verification",
    "VerificationError",
    "__version__",
    "adapt",
    "adaptation_report",
    "alignment",
    "apply_delta",
    "augment",
    "available",
    "build_model",
    "calibrate",
    "check_batch_norm",
    "choose_adaptation",
    "compare_runtimes",
    "convert",
    "data",
    "distill",
    "evaluate",
    "export",
    "export_many",
    "extend",
    "extract_features",
    "find_learning_rate",
    "fine_tune",
    "fold",
    "grad_cam",
    "heads",
    "hub",
    "hub_backbone",
    "interpolate",
    "layerwise",
    "load",
    "load_many",
    "load_model",
    "penalties",
    "plot_history",
    "plot_schedule",
    "plots",
    "pooling",
    "predict_folder",
    "predict_in_tiles",
    "predict_request",
    "pyramid",
    "rank_backbones",
    "ranking",
    "rates",
    "recipes",
    "save_delta",
    "schedules",
    "search",
    "set_trainable",
    "sign",
    "soup",
    "split",
    "stages",
    "testing",
    "token_pooling",
    "tunable",
    "tuned",
    "tuning",
    "validators",
    "verify",
]
