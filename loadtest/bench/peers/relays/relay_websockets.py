"""Rooms with `websockets`: everybody in a set, broadcast() to all others."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: dict[str, set[ServerConnection]] = {}


async def member(connection: ServerConnection) -> None:
    """Relay what one member says."""
    room = rooms.setdefault(connection.request.path, set())
    room.add(connection)
    try:
        async for message in connection:
            broadcast(room - {connection}, message)
    finally:
        room.discard(connection)


async def main(port: int) -> None:
    """Serve for ever; nobody is pinged, and compression was never asked for."""
    async with serve(
        member, "127.0.0.1", port, ping_interval=None, backlog=4096
    ) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
