"""The shell command: train, choose, search, adapt, check, evaluate, predict, verify, serve, convert, cache and demo."""

from keras_transfer.cli import adapting, cached, checking, choosing, converting, proving, serving, training, using
from keras_transfer.cli.session import app

__all__ = [
    "adapting",
    "app",
    "cached",
    "checking",
    "choosing",
    "converting",
    "main",
    "proving",
    "serving",
    "training",
    "using",
]


def main() -> None:
    """Runs the shell command."""
    app()
