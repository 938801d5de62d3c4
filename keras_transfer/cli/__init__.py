"""The shell: keras-transfer train, check, evaluate, predict, convert, backbones, cache and demo."""

from keras_transfer.cli import cached, checking, converting, training, using
from keras_transfer.cli.session import app

__all__ = ["app", "cached", "checking", "converting", "main", "training", "using"]


def main() -> None:
    """Runs the shell command."""
    app()
