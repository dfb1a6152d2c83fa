"""Connecting: only a 101 counts."""

import socket
import threading
from collections.abc import Iterator

import pytest

from hubbub.loadtest.bench.connect import connect, request, upgrade
from hubbub.loadtest.bench.row import Invalid


class Server:
    """Answers each request with the next of its answers, then the connection ends."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self.answers: list[bytes] = []

    def start(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self.answers:
            with self._listener.accept()[0] as one:
                self.requests.append(one.recv(4096))
                one.send(answer)

    def end(self) -> None:
        self._listener.close()
        if self._thread.ident is not None:
            self._thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


GOOD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def test_members_come_in_the_order_of_their_paths(server: Server) -> None:
    server.start(GOOD, GOOD, GOOD)
    paths = ["/rooms/a", "/rooms/b", "/rooms/c"]
    members = upgrade(server.port, paths)
    peers = [member.getsockname()[1] for member in members]
    assert len(set(peers)) == 3
    for member in members:
        assert not member.getblocking()
        member.close()
    assert server.requests == [request(server.port, path) for path in paths]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"HTTP/1.1 101 Switching",
        b"HTTP/1.0 101 Switching Protocols\r\n\r\n",
    ],
)
def test_anything_but_a_101_is_invalid(server: Server, answer: bytes) -> None:
    server.start(answer)
    with pytest.raises(Invalid, match="a connect got b'HTTP"):
        upgrade(server.port, ["/rooms/a"])


def test_nobody_there_is_invalid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Invalid, match="a connect failed"):
        connect(port, [request(port, "/rooms/a")], lambda *_: None)
