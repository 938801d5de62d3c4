"""The activation cache: what is frozen runs once, and training goes on from what it gave."""

from keras_transfer.caching.dataset import CachedDataset, extract_features
from keras_transfer.caching.settings import Cache

__all__ = ["Cache", "CachedDataset", "extract_features"]
