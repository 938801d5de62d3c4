"""The shell: keras-transfer train, check, evaluate, predict, serve, backbones, cache and demo."""

from keras_transfer.cli import cached, checking, serving, training, using
from keras_transfer.cli.session import app

__all__ = ["app", "cached", "checking", "main", "serving", "training", "using"]


def main() -> None:
    """Runs the shell command."""
    app()
