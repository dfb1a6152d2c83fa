"""What goes over the wire to and from a peer."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from hubbub.loadtest.bench.crowd import MESSAGE
from hubbub.loadtest.bench.peers.wire import ECHOING, PLAIN, SOCKETIO, Wire, arrive
from hubbub.loadtest.bench.row import Invalid

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def text(kind: ConnectionType, data: bytes) -> str:
    """Return what an independent codec reads from one message."""
    connection = Connection(kind)
    connection.receive_data(data)
    (event,) = connection.events()
    assert isinstance(event, TextMessage)
    return str(event.data)


@pytest.mark.parametrize("wire", [PLAIN, ECHOING])
def test_plain_message_is_the_text(wire: Wire) -> None:
    assert text(ConnectionType.SERVER, wire.spoken) == "x" * MESSAGE
    assert text(ConnectionType.CLIENT, wire.delivered) == "x" * MESSAGE


def test_socketio_message_is_an_event_with_the_text() -> None:
    for kind, data in (
        (ConnectionType.SERVER, SOCKETIO.spoken),
        (ConnectionType.CLIENT, SOCKETIO.delivered),
    ):
        said = text(kind, data)
        assert said[:2] == "42"
        assert json.loads(said[2:]) == ["say", "x" * MESSAGE]


class Server:
    """Answers one upgrade with what it was told, then a namespace with the rest."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[bytes] = []
        self._thread: threading.Thread | None = None

    def start(self, behind: bytes, then: bytes) -> None:
        self._thread = threading.Thread(target=self._serve, args=(behind, then))
        self._thread.start()

    def _serve(self, behind: bytes, then: bytes) -> None:
        with self._listener.accept()[0] as one:
            self.asked.append(one.recv(4096))
            one.send(UPGRADED + behind)
            self.asked.append(one.recv(4096))
            if then:
                one.send(then)
                one.recv(1)

    def end(self) -> None:
        self._listener.close()
        if self._thread is not None:
            self._thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


OPEN = b'0{"sid":"a","pingInterval":86400000,"padding":"' + b"p" * 100 + b'"}'
OPENED = bytes((0x81, 126)) + len(OPEN).to_bytes(2, "big") + OPEN
JOINED = b'\x81\x0b40{"sid":1}'


def test_socketio_member_is_greeted(server: Server) -> None:
    server.start(OPENED, JOINED)
    (member,) = arrive(server.port, SOCKETIO, ["lobby"])
    with member:
        path = b"GET /socket.io/?EIO=4&transport=websocket&room=lobby HTTP/1.1\r\n"
        assert server.asked[0].startswith(path)
        assert text(ConnectionType.SERVER, server.asked[1]) == "40"


@pytest.mark.parametrize(
    ("behind", "then", "why"),
    [
        (b"\x81\x022?", b"", "was greeted with"),
        (OPENED, b'\x81\x0c44{"sid":12}', "was greeted with"),
        (OPENED + b"\x81\x012", b"", "was greeted with"),
        (OPENED, b"", "closed a connection that it should greet"),
    ],
)
def test_any_other_greeting_is_invalid(
    server: Server, behind: bytes, then: bytes, why: str
) -> None:
    server.start(behind, then)
    with pytest.raises(Invalid, match=why):
        arrive(server.port, SOCKETIO, ["lobby"])
