"""`hubbub publish`: say something in a room."""

import sys
from functools import partial

import click

from . import options


@click.command("publish")
@click.argument("room")
@click.argument("text")
@options.url
@options.run_dir
def command(room: str, text: str, url: str | None, run_dir: str | None) -> None:
    """Say TEXT in ROOM, and wait until the server has accepted it.

    With - as TEXT, each line of standard input is one message.
    """
    place = options.place(url, run_dir)
    # Imported here: trio is not for `hubbub serve` to pay for.
    from hubbub.people.publish import lines, one_text, publish

    from .loop import run

    texts = lines(sys.stdin.fileno()) if text == "-" else one_text(text)
    run(partial(publish, place, room, texts))
