"""Rooms with trio-websocket: a task for each member, a send_message() to each other."""

import sys

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    serve_websocket,
)

rooms: dict[str, set[WebSocketConnection]] = {}


async def member(request: WebSocketRequest) -> None:
    """Relay what one member says."""
    connection = await request.accept()
    room = rooms.setdefault(request.path, set())
    room.add(connection)
    try:
        while True:
            message = await connection.get_message()
            for other in room - {connection}:
                try:
                    await other.send_message(message)
                except ConnectionClosed:
                    pass
    except ConnectionClosed:
        pass
    finally:
        room.discard(connection)


async def main(port: int) -> None:
    """Serve for ever."""
    await serve_websocket(member, "127.0.0.1", port, ssl_context=None)


trio.run(main, int(sys.argv[1]))
