"""One connection to a server that speaks the native dialect in JSON.

`run_session` connects, runs a piece of work with the session and closes. It is the
one place where exceptions of sockets, TLS and WebSockets become `Lost` or `Refused`.
"""

import json
import os
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import trio
import trio_websocket

from hubbub.codes import CLOSES, Close
from hubbub.escape import plain

from .place import Place
from .problem import Lost, Refused

SUBPROTOCOL = "hubbub.v1.json"
PATIENCE = 10.0
"""Longest wait for a connection or for an answer, in seconds."""

_GOODBYE = 2.0
_HEARTBEAT = 25.0
_LARGEST = 1 << 28
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})

Result = TypeVar("Result")
Message = dict[str, object]
Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class Session:
    """An open connection: messages as parsed JSON."""

    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self._socket = socket

    async def send(self, message: Message) -> None:
        """Send one command.

        Raises:
            Lost, Refused: The connection is closed.
        """
        try:
            await self._socket.send_message(json.dumps(message))
        except trio_websocket.ConnectionClosed as closed:
            raise closing(closed.reason) from None

    async def receive(self) -> Message:
        """Wait for the next message.

        Raises:
            Lost: The connection is closed, and may be opened again.
            Refused: It is closed for good, or not JSON what comes.
        """
        try:
            payload = await self._socket.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise closing(closed.reason) from None
        try:
            message = json.loads(payload)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise Refused("the server sends what is not the native dialect")
        return message

    async def keep_alive(self, every: float = _HEARTBEAT) -> None:
        """Ping the server now and then; return when it no longer answers.

        A connection that was cut without a word (a sleeping laptop, a NAT that
        forgot) looks open for ever to one who only reads.
        """
        while True:
            await trio.sleep(every)
            try:
                with trio.fail_after(PATIENCE):
                    await self._socket.ping()
            except (trio.TooSlowError, trio_websocket.ConnectionClosed):
                return


async def run_session(
    place: Place, work: Callable[[Session], Awaitable[Result]]
) -> Result:
    """Connect, do the work, say goodbye.

    Args:
        place: The server.
        work: Called with the open session.

    Returns:
        What the work returns.

    Raises:
        Lost: The server is out of reach or went away; trying again may help.
        Refused: It does not want us.
    """
    with trio.move_on_after(PATIENCE) as waiting:
        stream = await _open_stream(place)
    if waiting.cancelled_caught:
        raise Lost(f"{place.authority} does not answer")
    result: list[Result] = []
    problem: Exception | None = None
    try:
        async with stream, trio.open_nursery() as nursery:
            # Caught inside and raised outside of the nursery, where it would be
            # wrapped into a group; cancellation and Ctrl-C pass as they are.
            try:
                socket = await _upgrade(place, stream, nursery)
                session = Session(socket)
                with trio.CancelScope() as scope:
                    nursery.start_soon(_watch, session, scope)
                    result.append(await work(session))
                if not result:
                    problem = Lost("the server no longer answers")
                with trio.move_on_after(_GOODBYE):
                    await socket.aclose()
            except Exception as error:
                problem = error
            nursery.cancel_scope.cancel()
    except* trio_websocket.HandshakeError as group:
        # trio-websocket's own task saw that the server refuses the upgrade.
        problem = _refusal(place, group)
    if problem is not None:
        raise problem
    return result[0]


async def _watch(session: Session, scope: trio.CancelScope) -> None:
    await session.keep_alive()
    scope.cancel()


async def _upgrade(
    place: Place, stream: Stream, nursery: trio.Nursery
) -> trio_websocket.WebSocketConnection:
    try:
        with trio.fail_after(PATIENCE):
            socket = await trio_websocket.wrap_client_stream(
                nursery,
                stream,
                place.authority,
                place.target,
                subprotocols=[SUBPROTOCOL],
                max_message_size=_LARGEST,
                receive_buffer_size=1 << 16,
            )
    except trio.TooSlowError:
        raise Lost(f"{place.authority} does not answer") from None
    except trio_websocket.ConnectionClosed as closed:
        raise closing(closed.reason) from None
    if socket.subprotocol != SUBPROTOCOL:
        raise Refused(
            f"{place.authority} does not offer {SUBPROTOCOL} at {place.target}"
        )
    return socket


async def _open_stream(place: Place) -> Stream:
    try:
        tcp = await trio.open_tcp_stream(place.host, place.port)
    except OSError as error:
        raise Lost(f"cannot reach {place.authority}: {_cause(error)}") from None
    if not place.secure:
        return tcp
    stream = trio.SSLStream(
        tcp,
        ssl.create_default_context(),
        server_hostname=place.host,
        https_compatible=True,
    )
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Refused(
                f"the certificate of {place.authority} is not trusted: "
                f"{cause.verify_message}"
            ) from None
        raise Lost(f"{place.authority} does not speak TLS as we do") from None
    return stream


def _cause(error: OSError) -> str:
    """Find the words of the system behind trio's summary of all attempts."""
    cause: BaseException | None = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    deepest = cause if isinstance(cause, OSError) else error
    if deepest.errno and deepest.errno > 0:  # trio decorates strerror
        return os.strerror(deepest.errno)
    return deepest.strerror or str(deepest)


def _refusal(
    place: Place, group: ExceptionGroup[trio_websocket.HandshakeError]
) -> Lost | Refused:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, trio_websocket.ConnectionRejected):
        return Lost(f"{place.authority} does not complete the upgrade")
    status = first.status_code
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    body = (first.body or b"").decode("utf-8", "replace").strip()
    why = f": {plain(body.splitlines()[0][:200])}" if body else ""
    kind = Lost if status in _AGAIN else Refused
    return kind(f"the server answers {phrase}{why}")


def closing(reason: trio_websocket.CloseReason | None) -> Lost | Refused:
    """Turn the end of a connection into what it means for the client."""
    if reason is None or reason.code == 1006:
        return Lost("the connection broke")
    why = f" {plain(reason.reason)}" if reason.reason else ""
    kind = Lost if comes_back(reason.code) else Refused
    return kind(f"the server closed the connection ({reason.code}{why})")


def comes_back(code: int) -> bool:
    """Tell whether a close code invites to connect again (see `hubbub.codes`)."""
    try:
        return CLOSES[Close(code)].reconnect
    except ValueError:
        return code < 4500
