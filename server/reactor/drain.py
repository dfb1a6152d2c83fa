"""The drain: closing every connection at a pace, so that all of them coming back at
once hit nobody."""

import trio

from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.websocket.request import Refused
from hubbub.server.websocket.response import refusal_response

_STEP = 0.02
"""Seconds between two slices of closes."""
_AWAY = refusal_response(
    Refused(503, "This server is going away; try again.", (("Retry-After", "1"),))
)
"""For who is accepted and has not asked completely: an answer, not a cut."""


async def drain(reactor: Reactor, code: int, pace: float, rate: float) -> None:
    """Close all connections with `code` and wait until the last has ended.

    Args:
        pace: seconds over which the closes are spread, at most.
        rate: closes a second, at least.
    """
    table = list(reactor.connections.values())
    per_second = max(rate, len(table) / pace if pace else float("inf"))
    size = max(1, int(min(len(table), per_second * _STEP)))
    for start in range(0, len(table), size):
        for connection in table[start : start + size]:
            try:
                _end(reactor, connection, code)
            except MemoryError:
                raise
            except Exception as error:
                reactor.fault(connection, error)
        reactor.close_numbers()
        await trio.sleep(_STEP)
    await reactor.wait_empty()


def _end(reactor: Reactor, connection: Connection, code: int) -> None:
    if connection.phase == Phase.OPENING:
        reactor.counters.refused += 1
        reactor.finish(connection, _AWAY)
    else:
        reactor.close(connection, code)
