"""Private Keras: everything that touches a private name of Keras or TensorFlow.

It may import `_arguments` and what is below it, and nothing else of ours. A new release of Keras therefore needs
changes in this room alone. The table in `names.py` lists the private names.
"""

import keras

from keras_transfer._checks import check_backend

check_backend(keras.config.backend())
