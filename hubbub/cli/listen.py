"""`hubbub listen`: print what is said in a room."""

import os
import sys
from functools import partial

import click

from hubbub.escape import plain

from . import options


@click.command("listen")
@click.argument("room")
@options.url
@options.run_dir
@click.option("--json", "whole", is_flag=True, help="Print whole messages as JSON.")
def command(room: str, url: str | None, run_dir: str | None, whole: bool) -> None:
    """Print what is said in ROOM, one line a message.

    Connects again by itself when the server goes away. What concerns the
    connection is told on stderr. Ends with Ctrl-C (exit code 130), or quietly when
    nobody reads its output any more, as in `hubbub listen lobby | head -1`.
    """
    place = options.place(url, run_dir)
    # Imported here: trio is not for `hubbub serve` to pay for.
    from hubbub.people.line import message_line
    from hubbub.people.listen import Listener, run

    from .loop import run as run_loop

    out = sys.stdout.buffer
    terminal = sys.stdout.isatty()

    def show(message: dict[str, object]) -> None:
        line = message_line(message, whole, terminal) + "\n"
        out.write(line.encode("utf-8", "backslashreplace"))
        out.flush()

    def tell(sentence: str) -> None:
        click.echo(f"hubbub: {plain(sentence)}", err=True)

    run_loop(partial(run, Listener(place, room, show, tell), _descriptor()))


def _descriptor() -> int | None:
    try:
        fd = sys.stdout.fileno()
        os.fstat(fd)
    except (OSError, ValueError):
        return None  # not a real stdout
    return fd
