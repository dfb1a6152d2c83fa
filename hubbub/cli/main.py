"""The group of subcommands, and the one place where exceptions become exit codes.

Subcommands are imported when they are called: `hubbub serve` must not pay, in
memory that every forked worker inherits, for the trio of `hubbub listen`.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

import hubbub
from hubbub.codes import Exit
from hubbub.config import ConfigError, UsageProblem
from hubbub.escape import plain
from hubbub.people.problem import Problem

COMMANDS = (
    "serve",
    "load",
    "status",
    "stop",
    "config",
    "listen",
    "publish",
    "fault",
)
"""Subcommands, in the order of the help; each is a module here with a `command`."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: what shells give a command that SIGINT ended."""


class Commands(click.Group):
    """A group that imports a subcommand when it is asked for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hubbub.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand and turn what it raises into an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except UsageProblem as error:
            end(str(error), Exit.USAGE)
        except ConfigError as error:
            end(str(error), Exit.CONFIGURATION)
        except Problem as error:
            end(str(error), Exit.FAILED)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            forget_stdout()
            raise click.exceptions.Exit(Exit.CLEAN) from None
        except Exception as error:
            # The only broad one: a bug is told in a sentence too, for the journal
            # of a service and for people alike.
            end(f"internal error, {_told(error)}", Exit.FAILED)


def end(sentence: str, code: int) -> NoReturn:
    """End the command with one sentence on stderr and an exit code."""
    click.echo(f"hubbub: {plain(sentence)}", err=True)
    raise click.exceptions.Exit(code)


def forget_stdout() -> None:
    """Drop what stdout still holds: its reader has gone, and has what it wanted.

    Otherwise the interpreter would complain about the broken pipe when it flushes.
    """
    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return  # not a real stdout
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, fd)
    os.close(nowhere)


def hold_standard_descriptors() -> None:
    """Open /dev/null wherever 0, 1 or 2 is closed.

    A cluster started with stderr closed would otherwise give number 2 to its first
    socket, and log into it.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is this one: those below are open by now.
            os.open(os.devnull, os.O_RDWR)


def _told(error: BaseException) -> str:
    """Name an error and where it was raised, without a traceback."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = ""
    if trace:
        code = trace.tb_frame.f_code
        file = Path(code.co_filename).name
        place = f" in {code.co_name} ({file}:{trace.tb_lineno})"
    text = str(error)
    return f"{type(error).__name__}{place}{': ' if text else ''}{text}"


@click.group(
    name="hubbub",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration or "
    "environment, 70 every slot failed, 130 Ctrl-C.",
)
@click.version_option(hubbub.__version__, message="hubbub %(version)s")
def main() -> None:
    """Hubbub, a room server: what one member of a room says, all others hear."""
    hold_standard_descriptors()
