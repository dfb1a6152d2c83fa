"""What becomes of exceptions, and what is imported when."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner

import hubbub
from hubbub.cli import main
from hubbub.cli.main import COMMANDS, Commands
from hubbub.config import ConfigError, UsageProblem
from hubbub.people.problem import Lost, Refused


def group_raising(error: BaseException) -> click.Group:
    """Return a group whose command `x` raises."""

    class Fake(Commands):
        def get_command(self, ctx: click.Context, name: str) -> click.Command:
            def callback() -> NoReturn:
                raise error

            return click.Command(name, callback=callback)

    return Fake("hubbub")


def deep_error() -> ExceptionGroup[Exception]:
    """Return an error that was raised in some function, in groups."""
    try:
        raise ZeroDivisionError("division\nby zero")
    except ZeroDivisionError as error:
        return ExceptionGroup("a", [ExceptionGroup("b", [error])])


@pytest.mark.parametrize(
    ("make", "code", "sentence"),
    [
        (lambda: ConfigError("x:1", "is bad"), 3, "hubbub: x:1: is bad\n"),
        (lambda: UsageProblem("--x", "is bad"), 2, "hubbub: --x: is bad\n"),
        (lambda: Lost("gone\x1b"), 1, "hubbub: gone\\x1b\n"),
        (lambda: Refused("no"), 1, "hubbub: no\n"),
        (KeyboardInterrupt, 130, ""),
        (BrokenPipeError, 0, ""),
        (lambda: click.exceptions.Exit(70), 70, ""),
        (
            deep_error,
            1,
            "hubbub: internal error, ZeroDivisionError in deep_error (test_main.py:",
        ),
    ],
)
def test_exception_becomes_an_exit_code_and_a_sentence(
    make: Callable[[], BaseException], code: int, sentence: str
) -> None:
    done = CliRunner().invoke(group_raising(make()), ["x"])
    assert done.exit_code == code
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == bool(sentence)
    assert "Traceback" not in done.output


def test_version() -> None:
    done = CliRunner().invoke(main, ["--version"])
    assert done.output == f"hubbub {hubbub.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_help(name: str) -> None:
    top = CliRunner().invoke(main, ["--help"])
    assert f"  {name} " in top.output
    done = CliRunner().invoke(main, [name, "-h"])
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: hubbub {name} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["srve"],
        ["serve", "--prot", "1"],
        ["serve", "--port", "http"],
        ["serve", "--set", "port"],
        ["listen"],
        ["publish", "lobby"],
        ["listen", "lobby", "--url", "nowhere"],
        ["fault", "0", "melt"],
        ["fault", "-1", "raise"],
        ["fault", "0", "raise", "now"],
        ["fault", "0", "block", "soon"],
        ["fault", "0", "exit", "256"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        (
            ["serve", "--config", "no.toml"],
            {},
            "hubbub: no.toml: there is no such file\n",
        ),
        (
            ["serve"],
            {"HUBBUB_PROT": "1"},
            "hubbub: HUBBUB_PROT: there is no such setting; "
            "did you mean HUBBUB_PORT?\n",
        ),
        (
            ["serve", "--faults", "--host", "0.0.0.0"],
            {},
            "hubbub: --faults: faults lets anybody with the run directory break "
            "workers and is for this machine only, but host (0.0.0.0) is not "
            "loopback\n",
        ),
    ],
)
def test_wrong_configuration_is_exit_code_3(
    arguments: list[str], environ: dict[str, str], sentence: str
) -> None:
    done = CliRunner().invoke(main, arguments, env=environ)
    assert done.exit_code == 3
    assert done.output == sentence


def test_serve_imports_neither_trio_nor_what_only_workers_need() -> None:
    code = (
        "import sys, hubbub.cli, hubbub.cli.serve, hubbub.logs;"
        "print({'trio', 'trio_websocket', 'msgspec', 'msgpack', 'httptools', 'psutil'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_closed_standard_descriptors_are_held_by_dev_null() -> None:
    code = (
        "import os; from hubbub.cli.main import hold_standard_descriptors as hold;"
        "hold(); fd = os.open('/', os.O_RDONLY);"
        "os._exit(0 if fd > 2 and all(os.fstat(n) for n in range(3)) else 1)"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0
