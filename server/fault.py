"""Faults on purpose: what `hubbub fault` has a worker do to itself.

For tests and demonstrations, and only where the cluster was started with --faults.
"""

import os
import signal
import time
from collections.abc import Callable

import trio

Message = dict[str, object]


class Fault(Exception):
    """Raised on purpose, by `hubbub fault SLOT raise`."""


def commit(message: Message, tear: Callable[[int | None], None]) -> None:
    """Do what a fault message says.

    Args:
        message: `fault` is its name; `seconds`, `code` and `offset` are for those
            that want them.
        tear: writes a frame as far as an offset to every link.

    Raises:
        Fault: that is what was asked for.
    """
    match message["fault"]:
        case "block":
            time.sleep(float(str(message["seconds"])))
        case "spin":
            spin(float(str(message["seconds"])))
        case "raise":
            raise Fault("raised on request")
        case "exit":
            os._exit(int(str(message["code"])))
        case "balloon":
            _hold(int(str(message["bytes"])))
        case "truncate-bus":
            offset = message["offset"]
            tear(offset if isinstance(offset, int) else None)
            os.kill(os.getpid(), signal.SIGKILL)


_BALLAST: list[bytearray] = []
"""What leak and balloon hold: never freed, as a leak is."""


def _hold(size: int) -> None:
    ballast = bytearray(size)
    # Every page is written to, or the kernel would not give it.
    ballast[::4096] = b"x" * -(-size // 4096)
    _BALLAST.append(ballast)


async def leak(rate: float) -> None:
    """Hold more and more memory, `rate` bytes a second, until cancelled."""
    while True:
        _hold(max(1, int(rate / 10)))
        await trio.sleep(0.1)


def spin(seconds: float) -> None:
    """Keep the interpreter busy: nothing but Python's own signals gets through."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
