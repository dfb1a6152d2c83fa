"""Run async code from a subcommand."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

Result = TypeVar("Result")


def run(function: Callable[[], Awaitable[Result]]) -> Result:
    """Run an async function to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C, as itself: nurseries on its way wrap it into groups.
    """
    try:
        return trio.run(function)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
