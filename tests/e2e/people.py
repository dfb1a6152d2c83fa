"""Clients for end-to-end tests: real third-party libraries, on chosen workers."""

import json
from collections.abc import Callable
from typing import Any

import msgpack
from websockets.sync.client import ClientConnection, connect

RECEIVE = 5.0


def open_on(connecting: Callable[[], ClientConnection], slot: int) -> ClientConnection:
    """Return a connection that the worker of `slot` serves (needs --identify)."""
    for _ in range(200):
        made = connecting()
        assert made.response is not None
        if made.response.headers["Hubbub-Worker"].startswith(f"{slot}/"):
            return made
        made.close()
    raise AssertionError(f"no connection came to slot {slot}")


def plain(url: str, slot: int | None = None) -> ClientConnection:
    """Join a room in the plain dialect."""

    def connecting() -> ClientConnection:
        return connect(url, compression=None, max_size=None).__enter__()

    return connecting() if slot is None else open_on(connecting, slot)


class Native:
    """A native session; `ask` sends a command and returns its answer."""

    def __init__(
        self, url: str, dialect: str = "json", slot: int | None = None
    ) -> None:
        protocols: list[Any] = [f"hubbub.v1.{dialect}"]

        def connecting() -> ClientConnection:
            # Read at once: who leaves the noise of others unread is a slow consumer.
            made = connect(
                url, compression=None, subprotocols=protocols, max_queue=None
            )
            return made.__enter__()

        self.json = dialect == "json"
        self.socket = connecting() if slot is None else open_on(connecting, slot)
        self.others: list[dict[str, Any]] = []
        self._id = 0
        self.welcome = self.receive()

    def send(self, command: dict[str, Any]) -> None:
        self.socket.send(json.dumps(command) if self.json else msgpack.packb(command))

    def receive(self, timeout: float = RECEIVE) -> dict[str, Any]:
        data = self.socket.recv(timeout)
        if self.json:
            assert isinstance(data, str)
            return dict(json.loads(data))
        assert isinstance(data, bytes)
        return dict(msgpack.unpackb(data))

    def ask(self, type: str, **fields: Any) -> dict[str, Any]:
        """Send a command; return its answer; keep what comes before it."""
        self._id += 1
        self.send({"type": type, "id": self._id, **fields})
        while True:
            event = self.receive()
            if event.get("id") == self._id:
                return event
            self.others.append(event)

    def close(self) -> None:
        self.socket.close()
