"""Serving: a trained model as a SavedModel that takes the bytes of image files, for TF Serving and for Python."""

from keras_transfer.serving.exporting import export
from keras_transfer.serving.loading import Prediction, ServedModel, load

__all__ = ["Prediction", "ServedModel", "export", "load"]
