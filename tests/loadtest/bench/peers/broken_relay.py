"""A relay that does wrong what FAULT says, from the third message of a room on."""

import asyncio
import os
import sys

from websockets.asyncio.server import ServerConnection, serve

FAULT = os.environ.get("FAULT", "")
rooms: dict[str, list[ServerConnection]] = {}
said: dict[str, int] = {}


async def relay(room: str, sender: ServerConnection, message: str | bytes) -> None:
    said[room] = said.get(room, 0) + 1
    hearers = [one for one in rooms[room] if one is not sender]
    if said[room] >= 3:
        if FAULT == "drop":
            hearers = hearers[1:]
        elif FAULT == "twice":
            hearers = [*hearers, hearers[0]]
        elif FAULT == "swap":
            hearers = [hearers[0], *hearers[:-1]]
        elif FAULT == "echo":
            hearers = [*hearers, sender]
        elif FAULT == "close":
            hearers[0].transport.abort()
        elif FAULT == "exit":
            print("out of luck", flush=True)
            os._exit(1)
    for one in hearers:
        await one.send(message)


async def member(connection: ServerConnection) -> None:
    assert connection.request is not None
    room = connection.request.path
    rooms.setdefault(room, []).append(connection)
    try:
        async for message in connection:
            await relay(room, connection, message)
    finally:
        rooms[room].remove(connection)


async def main(port: int) -> None:
    if FAULT == "start":
        sys.exit("no luck")
    async with serve(member, "127.0.0.1", port, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
