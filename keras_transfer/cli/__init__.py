"""The shell: keras-transfer train, evaluate, predict, backbones, cache and demo."""

from keras_transfer.cli import cached, training, using
from keras_transfer.cli.session import app

__all__ = ["app", "cached", "main", "training", "using"]


def main() -> None:
    """Runs the shell command."""
    app()
