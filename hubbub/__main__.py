"""The `hubbub` command begins here, installed or as `python -m hubbub`."""

import os
import sys

# Not `signal`: it takes 6 ms to import, and Ctrl-C within them prints a traceback.
from _signal import (  # type: ignore[import-not-found]
    SIG_IGN,
    SIGHUP,
    SIGINT,
    SIGUSR1,
    SIGUSR2,
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
    What will be no reason for a cluster to end is none while it begins: a service
    manager may send SIGHUP as soon as there is a process.
    """
    if getsignal(SIGINT) is default_int_handler:  # else it is ignored: nohup
        signal(SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    if sys.argv[1:2] == ["serve"]:
        for number in (SIGHUP, SIGUSR1, SIGUSR2):
            signal(number, SIG_IGN)
    from hubbub.cli import main as command

    command(prog_name="hubbub")


if __name__ == "__main__":
    main()
