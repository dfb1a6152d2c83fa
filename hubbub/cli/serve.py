"""`hubbub serve`: run a cluster in the foreground."""

import sys

import click

from . import options


@click.command("serve")
@options.settings
def command(**flags: object) -> None:
    """Run a cluster in the foreground until it is told to stop.

    Ctrl-C or SIGTERM drains and stops it, a second one stops it at once.
    Settings come from hubbub.toml, HUBBUB_* variables and these flags; a later one
    wins. `hubbub config` shows what is in force.
    """
    settings = options.loaded(**flags).settings  # type: ignore[arg-type]
    # Imported here, after everything that may fail without them.
    from hubbub.logs import make_log
    from hubbub.supervisor.run import serve

    sys.exit(serve(settings, make_log("supervisor")))
