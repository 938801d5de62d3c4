"""Serving: a trained model exported as a SavedModel that takes encoded image files, for TF Serving and for Python."""

from keras_transfer.serving.exporting import export
from keras_transfer.serving.folder_predictions import predict_folder
from keras_transfer.serving.loading import Prediction, ServedModel, load
from keras_transfer.serving.proof.differences import Difference, Verification
from keras_transfer.serving.proof.hashes import sign
from keras_transfer.serving.proof.verification import verify
from keras_transfer.serving.requests import predict_request

__all__ = [
    "Difference",
    "Prediction",
    "ServedModel",
    "Verification",
    "export",
    "load",
    "predict_folder",
    "predict_request",
    "sign",
    "verify",
]
