"""The shell: keras-transfer train, adapt, check, evaluate, predict, backbones, cache and demo."""

from keras_transfer.cli import adapting, cached, checking, training, using
from keras_transfer.cli.session import app

__all__ = ["adapting", "app", "cached", "checking", "main", "training", "using"]


def main() -> None:
    """Runs the shell command."""
    app()
