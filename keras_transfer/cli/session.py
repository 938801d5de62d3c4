"""The shell command, and what all subcommands share: output, errors and imports.

TensorFlow is imported only when a command runs, so that `--help` is fast.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from keras_transfer._checks import DataWarning, InputError
from keras_transfer._version import __version__
from keras_transfer.cli.memory import keep_memory

app = typer.Typer(
    name="keras-transfer",
    help="Transfer learning for images: from a folder of photographs to a served SavedModel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on standard output, as its last line.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-transfer {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@contextmanager
def session(as_json: bool) -> Iterator[Any]:
    """Imports the package, and handles warnings and errors within the context.

    A DataWarning is printed as one line, and other warnings are ignored. An InputError is printed as one line, with
    exit code 2. Ctrl+C ends the command with exit code 130.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keep_memory()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = _show_warning
            with _silent_stderr():
                import tensorflow  # noqa: F401  its C++ code prints to standard error at any log level
            import keras_transfer

            yield keras_transfer
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _silent_stderr() -> Iterator[None]:
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123  a device, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"note: {message}", err=True)


def say(as_json: bool, text: str) -> None:
    """Prints a line to standard output, or to standard error if standard output is reserved for JSON."""
    typer.echo(text, err=as_json)


def print_json(as_json: bool, result: Mapping[str, Any]) -> None:
    """Prints the result as one JSON object, if `as_json` is True."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")


def read_options(pairs: list[str]) -> dict[str, Any]:
    """Returns options given as NAME=VALUE. A value is parsed as JSON if possible, else it is a string.

    Raises:
        InputError: if there is no "=" or no name.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"Expected --backbone-option NAME=VALUE, such as alpha=0.75. Received: {pair!r}.")
        try:
            options[name] = json.loads(value.lower() if value in ("True", "False") else value)
        except json.JSONDecodeError:
            options[name] = value
    return options
