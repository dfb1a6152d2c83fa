"""The `hubbub` command begins here, installed or as `python -m hubbub`."""

import os

# Not `signal`: it takes 6 ms to import, and Ctrl-C within them prints a traceback.
from _signal import (  # type: ignore[import-not-found]
    SIGINT,
    default_int_handler,
    getsignal,
    signal,
)

INTERRUPTED = 130
"""As in `hubbub.cli.main`, which is not imported yet when this is needed."""


def main() -> None:
    """Run the command that was typed.

    Ctrl-C ends it at once and without a word, until a subcommand hears it itself:
    KeyboardInterrupt, raised in the middle of an import, could not be caught for sure.
    """
    if getsignal(SIGINT) is default_int_handler:  # else it is ignored: nohup
        signal(SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    from hubbub.cli import main as command

    command(prog_name="hubbub")


if __name__ == "__main__":
    main()
