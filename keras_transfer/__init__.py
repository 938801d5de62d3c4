"""Transfer learning for images on Keras 3: a pretrained network, a new head, and a SavedModel that serves it."""

import os

import lazy_loader

from keras_transfer._checks import check_backend

check_backend(os.environ.get("KERAS_BACKEND") or "tensorflow")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
