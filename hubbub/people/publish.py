"""`hubbub publish`: say something in a room, and wait until it is accepted."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

import trio

from .listen import error_problem
from .place import Place
from .problem import Lost, Refused
from .session import PATIENCE, Session, run_session

LONGEST_LINE = 16 * 1024 * 1024
"""Most bytes of a line of standard input."""


async def publish(place: Place, room: str, texts: AsyncGenerator[str, None]) -> int:
    """Publish texts one after another, each after the last one was accepted.

    Returns:
        How many there were.

    Raises:
        Lost, Refused: One was not accepted; says how many were, if any.
    """
    accepted = 0

    async def work(session: Session) -> None:
        nonlocal accepted
        async with aclosing(texts):
            async for text in texts:
                await _publish_one(session, room, text, accepted + 1)
                accepted += 1

    try:
        await run_session(place, work)
    except (Lost, Refused) as problem:
        if accepted:
            raise type(problem)(f"{problem}; {accepted} accepted before") from None
        raise
    return accepted


async def _publish_one(session: Session, room: str, text: str, id: int) -> None:
    command: dict[str, object] = {"type": "publish", "id": id, "room": room}
    with trio.move_on_after(PATIENCE):
        await session.send({**command, "data": text})
        while True:
            message = await session.receive()
            if message.get("type") == "error":
                raise error_problem(message)
            if message.get("type") == "ok" and message.get("id") == id:
                return
    raise Lost(
        f"no answer within {PATIENCE:g} s: it may or may not have been published"
    )


async def one_text(text: str) -> AsyncGenerator[str, None]:
    """Yield the one text of the command line."""
    yield text


async def lines(fd: int) -> AsyncGenerator[str, None]:
    """Yield the lines of a descriptor as they come, without their line feeds.

    No thread reads here: one that waits in read() would hold up the end of the
    process, and sys.stdin's lock with it.

    Raises:
        Refused: A line is not UTF-8 or too long.
    """
    rest = bytearray()
    number = 0
    while chunk := await _read(fd):
        first, *others = chunk.split(b"\n")
        rest += first
        for start in others:  # each stands behind a line feed
            number += 1
            yield _text(rest, number)
            rest = bytearray(start)
        if len(rest) > LONGEST_LINE:
            raise Refused(f"line {number + 1} is longer than {LONGEST_LINE >> 20} MiB")
    if rest:
        yield _text(rest, number + 1)


async def _read(fd: int) -> bytes:
    try:
        await trio.lowlevel.wait_readable(fd)
    except PermissionError:
        await trio.lowlevel.checkpoint()  # a file: epoll does not take it, never waits
    return os.read(fd, 1 << 16)


def _text(line: bytearray, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise Refused(f"line {number} is not UTF-8") from None
