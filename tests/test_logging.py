"""What the library says: on stdout without any setting, and through the user's handlers where there are some."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys

from conftest import ROOT

from keras_transfer._logging import say

PROGRAM = """
import logging, sys
{before}
from keras_transfer._logging import say
{after}
say("cache: 100% of it")
"""


def run(before: str = "", after: str = "") -> tuple[str, str]:
    """Runs a program of a user. Returns what it writes to stdout and stderr."""
    program = PROGRAM.format(before=before, after=after)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout, done.stderr


def test_a_line_appears_on_stdout_without_any_setting():
    assert run() == ("cache: 100% of it\n", "")


def test_a_line_appears_once_where_the_user_logs():
    configure = "logging.basicConfig(format='%(name)s %(levelname)s %(message)s', level=logging.{level})"
    expected = ("", "keras_transfer INFO cache: 100% of it\n")
    assert run(before=configure.format(level="INFO")) == expected
    assert run(after=configure.format(level="WARNING")) == expected
    own = "logging.getLogger('keras_transfer').addHandler(logging.StreamHandler())"
    assert run(after=own) == run(before=own) == ("", "cache: 100% of it\n")


def test_a_line_appears_once_when_the_module_is_loaded_again():
    assert (
        run(after="import importlib, keras_transfer._logging as again; importlib.reload(again)")[0].count("cache") == 1
    )


def test_the_level_of_the_logger_is_the_users():
    quiet = "logging.getLogger('keras_transfer').setLevel(logging.WARNING)"
    assert run(before=quiet) == run(after=quiet) == ("", "")


def test_a_handler_that_shows_nothing_does_not_hide_a_line():
    nothing = (
        "handler = logging.StreamHandler(); handler.setLevel(logging.ERROR); logging.getLogger().addHandler(handler)"
    )
    assert run(after=nothing)[0] == run(after="logging.getLogger().addHandler(logging.NullHandler())")[0] != ""


def test_tests_see_a_line_in_what_was_written_and_in_what_was_logged(capsys, caplog):
    say("one line")
    assert capsys.readouterr().out == "one line\n"
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("keras_transfer", logging.INFO, "one line")
    ]


def test_only_the_shell_and_the_demo_print():
    package = ROOT / "keras_transfer"
    others = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in ("cli", "demo")]
    printing = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
    ]
    assert printing == []
