"""The shell: keras-transfer train, check, evaluate, predict, verify, sign, serve, convert, cache and demo."""

from keras_transfer.cli import cached, checking, converting, proving, serving, training, using
from keras_transfer.cli.session import app

__all__ = ["app", "cached", "checking", "converting", "main", "proving", "serving", "training", "using"]


def main() -> None:
    """Runs the shell command."""
    app()
