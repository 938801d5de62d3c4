"""Models: a backbone, a pooling and a head in one `keras.Model`; its stages, and freezing by stages.

It may import `tasks`, `_keras`, `schedules` and what is below them. It does not import `data`.
"""

from keras_transfer.models import heads, pooling, tuning

__all__ = ["heads", "pooling", "tuning"]
