"""Transfer learning for images on Keras 3: a pretrained network, a new head, and a SavedModel that serves it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
