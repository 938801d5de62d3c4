"""Features: what is learnt from the activations of a frozen network as rows of numbers, without training a network.

It may import `data` and what is below it, and no Keras model.
"""

from keras_transfer.features import ranking

__all__ = ["ranking"]
