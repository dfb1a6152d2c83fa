"""A small server of the native dialect, written with trio-websocket."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio
import trio_websocket

Message = dict[str, object]
Socket = trio_websocket.WebSocketConnection
Handler = Callable[[Socket], Awaitable[None]]


@dataclass
class FakeServer:
    """One scripted answer for each connection, in order; the last one repeats."""

    port: int = 0
    scripts: list[Handler | int] = field(default_factory=list)
    """A handler for an accepted connection, or an HTTP status to refuse with."""
    heard: list[Message] = field(default_factory=list)
    """All commands of all connections."""
    paths: list[str] = field(default_factory=list)
    """Path of each connection."""
    connected: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        """URL of the server, without a path."""
        return f"ws://127.0.0.1:{self.port}"

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        """Handle one connection by the next script."""
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.paths.append(request.path)
        self.connected.set()
        if isinstance(script, int):
            await request.reject(script, body=b"because\nmore")
            return
        offered = "hubbub.v1.json" in request.proposed_subprotocols
        socket = await request.accept(subprotocol="hubbub.v1.json" if offered else None)
        await socket.send_message('{"type":"welcome","connection":"c","heartbeat":25}')
        with suppress(trio_websocket.ConnectionClosed):
            await script(socket)

    async def hear(self, socket: Socket) -> Message:
        """Wait for a command and keep it."""
        command: Message = json.loads(await socket.get_message())
        self.heard.append(command)
        return command

    async def admit(self, socket: Socket) -> None:
        """Wait for a join and grant it."""
        command = await self.hear(socket)
        await send(socket, {"type": "ok", "id": command["id"], "members": 2})


async def send(socket: Socket, message: Message) -> None:
    """Send a message of the native dialect."""
    await socket.send_message(json.dumps(message))


async def say(socket: Socket, *data: object) -> None:
    """Send `message`s with these data."""
    for one in data:
        await send(
            socket, {"type": "message", "room": "lobby", "from": "m", "data": one}
        )


@pytest.fixture
async def server(nursery: trio.Nursery) -> FakeServer:
    fake = FakeServer()
    listening = await nursery.start(
        partial(trio_websocket.serve_websocket, fake.serve, "127.0.0.1", 0, None)
    )
    fake.port = listening.port
    return fake
