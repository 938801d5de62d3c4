"""Serving: a trained model exported as a SavedModel that takes encoded image files, for TF Serving and for Python."""

from keras_transfer.serving.exporting import export
from keras_transfer.serving.exporting_many import export_many
from keras_transfer.serving.folder_predictions import predict_folder
from keras_transfer.serving.loading import ServedModel, load
from keras_transfer.serving.loading_many import ServedTasks, load_many
from keras_transfer.serving.prediction import Prediction
from keras_transfer.serving.proof.differences import Difference, Verification
from keras_transfer.serving.proof.hashes import sign
from keras_transfer.serving.proof.verification import verify
from keras_transfer.serving.requests import predict_request
from keras_transfer.serving.segmented import SegmentedImage
from keras_transfer.serving.tagged import TaggedText

__all__ = [
    "Difference",
    "Prediction",
    "SegmentedImage",
    "ServedModel",
    "ServedTasks",
    "TaggedText",
    "Verification",
    "export",
    "export_many",
    "load",
    "load_many",
    "predict_folder",
    "predict_request",
    "sign",
    "verify",
]
