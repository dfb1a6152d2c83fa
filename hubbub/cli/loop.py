"""Run async code from a subcommand."""

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

Result = TypeVar("Result")


def run(function: Callable[[], Awaitable[Result]]) -> Result:
    """Run an async function to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        Exception: what the function raised, as it was.
    """
    results: list[Result] = []
    errors: list[Exception] = []

    async def main() -> None:
        # Received as a message: KeyboardInterrupt, raised wherever the interpreter
        # happens to be, can end in a finalizer and be lost.
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:

                async def wait_interrupted() -> None:
                    async for _ in signals:
                        nursery.cancel_scope.cancel()

                nursery.start_soon(wait_interrupted)
                try:
                    results.append(await function())
                except Exception as error:
                    errors.append(error)
                nursery.cancel_scope.cancel()

    trio.run(main)
    if errors:
        raise errors[0]
    if not results:
        raise KeyboardInterrupt
    return results[0]
