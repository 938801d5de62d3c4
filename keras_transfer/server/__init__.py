"""A server for development and tests with the protocols of TF Serving, and a page to try a model in a browser.

In production, serve the same folder with TF Serving.
"""

from keras_transfer._checks import InputError

try:
    from keras_transfer.server.limits import Limits
    from keras_transfer.server.running import Server
except ModuleNotFoundError as error:
    raise InputError(f'The server needs {error.name}. Install it by: pip install "keras-transfer[serve]"') from error

__all__ = ["Limits", "Server"]
