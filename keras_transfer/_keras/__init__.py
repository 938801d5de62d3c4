"""Private Keras: everything that touches a private name of Keras or TensorFlow.

It imports nothing of this package but `_checks`. A new release of Keras therefore needs changes in this folder alone.
The table in `names.py` lists the private names.
"""

import keras

from keras_transfer._checks import check_backend

check_backend(keras.config.backend())
