"""`hubbub listen`: print what is said in a room, until told to stop."""

import select
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from hubbub.escape import plain

from .backoff import Backoff
from .place import Place
from .problem import Lost, Refused
from .session import PATIENCE, Message, Session, run_session

HELD = 5.0
"""Seconds in a room after which a lost connection counts as the first failure."""


@dataclass(frozen=True)
class Listener:
    """Somebody who listens to a room."""

    place: Place
    """The server."""
    room: str
    """The room's name."""
    show: Callable[[Message], None]
    """Called with each `message`; a BrokenPipeError from it ends the listening."""
    tell: Callable[[str], None]
    """Called with sentences about the connection."""

    async def listen(self, backoff: Backoff) -> None:
        """Follow the room through any number of connections.

        Raises:
            Refused: The server does not want us in this room.
            BrokenPipeError: Nobody reads any more what we print.
        """
        while True:
            joined_at: list[float] = []
            try:
                await run_session(self.place, partial(self._follow, joined_at))
            except Lost as lost:
                if joined_at and trio.current_time() - joined_at[0] >= HELD:
                    backoff.reset()
                pause = backoff.next_pause()
                self.tell(f"{lost}; connecting again in {pause:.1f} s")
                await trio.sleep(pause)

    async def _follow(self, joined_at: list[float], session: Session) -> None:
        await session.send({"type": "join", "id": 1, "room": self.room})
        with trio.move_on_after(PATIENCE) as waiting:
            members = await self._wait_joined(session)
        if waiting.cancelled_caught:
            raise Lost("the server does not answer the join")
        joined_at.append(trio.current_time())
        self.tell(f"joined {self.room}{members}")
        while True:
            self._handle(await session.receive())

    async def _wait_joined(self, session: Session) -> str:
        while True:
            message = await session.receive()
            if message.get("type") == "ok" and message.get("id") == 1:
                members = message.get("members")
                return f", members: {members}" if isinstance(members, int) else ""
            self._handle(message)

    def _handle(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "message":
            self.show(message)
        elif kind == "gap":
            self.tell("messages were missed here and cannot be had again")
        elif kind == "goaway":
            self.tell("the server asks us to connect again soon")
        elif kind == "error":
            raise error_problem(message)
        # Whatever else a later server may send is not for people.


def error_problem(message: Message) -> Lost | Refused:
    """Turn an `error` message into the problem that it is."""
    reason = plain(str(message.get("reason") or message.get("code") or "no reason"))
    kind = Lost if message.get("retry") is True else Refused
    return kind(f"the server says: {reason}")


async def wait_reader_gone(fd: int) -> None:
    """Wait until nobody reads what is written to `fd`; for ever if it is a file.

    Without this, `hubbub listen lobby | head -1` would stay until the next message.
    """
    try:
        # No event is asked for: hang-up and error are reported always. An epoll is
        # itself pollable, which makes it fit for trio.
        epoll = select.epoll()
        epoll.register(fd, 0)
    except OSError:
        await trio.sleep_forever()
    with epoll:
        await trio.lowlevel.wait_readable(epoll.fileno())


async def run(listener: Listener, stdout: int | None) -> None:
    """Listen until the reader of `stdout` has gone.

    Args:
        listener: Who listens.
        stdout: Descriptor that `show` writes to, if it is a real one.

    Raises:
        Refused: The server does not want us in this room.
        BrokenPipeError: Nobody reads any more what we print.
    """
    problem: Exception | None = None
    async with trio.open_nursery() as nursery:
        if stdout is not None:
            nursery.start_soon(_cancel_without_reader, stdout, nursery.cancel_scope)
        try:  # raised outside of the nursery, as it is rather than in a group
            await listener.listen(Backoff())
        except (Refused, BrokenPipeError) as error:
            problem = error
        nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem


async def _cancel_without_reader(fd: int, scope: trio.CancelScope) -> None:
    await wait_reader_gone(fd)
    scope.cancel()
