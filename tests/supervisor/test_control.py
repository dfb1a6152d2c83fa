"""The control socket and its client, over real sockets and a clock of ours."""

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.supervisor import control_client
from hubbub.supervisor.control import CONNECTIONS, IDLE, PAUSE, REQUEST, Control
from hubbub.supervisor.loop import Loop

BIG = 4 * 1024 * 1024
STRANGER = """
import os, socket, sys
os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(5)
connection.connect(sys.argv[1])
print("in", flush=True)
print(connection.recv(1))
"""


class Server:
    """A control socket whose loop is turned by the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "control.sock"
        self.loop = Loop()
        self.now = 0.0
        self.requests: list[dict[str, object]] = []
        self.control = Control(self.path, self.loop, self.answer, lambda: self.now)

    def answer(self, request: dict[str, object]) -> dict[str, object]:
        self.requests.append(request)
        if request.get("type") == "big":
            return {"big": "x" * BIG}
        return {"echo": request}

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(str(self.path))
        self.turn()
        return connection

    def turn(self, times: int = 3) -> None:
        for _ in range(times):
            self.loop.turn(0)

    def close(self) -> None:
        self.control.close()
        self.loop.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


def lines(connection: socket.socket) -> list[dict[str, object]]:
    return [json.loads(line) for line in connection.recv(100_000).splitlines()]


def test_socket_is_for_this_user_alone(server: Server) -> None:
    assert server.path.stat().st_mode & 0o777 == 0o600


def test_requests_are_answered_in_order_however_they_are_cut(server: Server) -> None:
    with server.connect() as connection:
        for byte in b'{"type":"a"}\n{"type":"b"}\n{"ty':
            connection.send(bytes([byte]))
            server.turn(1)
        assert [r["type"] for r in server.requests] == ["a", "b"]
        connection.send(b'pe":"c"}\n')
        server.turn()
        echoes = [line["echo"] for line in lines(connection)]
        assert echoes == [{"type": "a"}, {"type": "b"}, {"type": "c"}]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "the request is not JSON"),
        (b"\xff", "the request is not JSON"),
        (b"[" * 50_000, "the request is not JSON"),
        (b"[]", "a request is a JSON object"),
    ],
)
def test_bad_request_is_answered_with_a_sentence(
    server: Server, line: bytes, sentence: str
) -> None:
    with server.connect() as connection:
        connection.send(line + b"\n")
        server.turn()
        assert lines(connection) == [{"error": sentence}]


@pytest.mark.parametrize("size", [REQUEST, REQUEST + 1])
def test_request_has_a_longest_length(server: Server, size: int) -> None:
    with server.connect() as connection:
        frame = b'{"type":"' + b"x" * (size - len(b'{"type":""}')) + b'"}'
        assert len(frame) == size
        connection.sendall(frame)
        server.turn()
        if size <= REQUEST:
            connection.send(b"\n")
            server.turn()
            assert len(server.requests) == 1
        else:
            assert lines(connection) == [{"error": "the request is too long"}]
            assert connection.recv(1) == b""


def test_newest_comes_in_for_the_one_that_was_idle_longest(server: Server) -> None:
    connections = []
    for _ in range(CONNECTIONS):
        connections.append(server.connect())
        server.now += 0.01
    # The first is owed the rest of an answer, the second has just asked something.
    connections[0].send(b'{"type":"big"}\n')
    connections[1].send(b'{"type":"a"}\n')
    server.turn()
    assert lines(connections[1])
    for count in (1, 2):
        newest = server.connect()
        newest.send(b'{"type":"a"}\n')
        server.turn()
        assert lines(newest)
        assert connections[1 + count].recv(1) == b""
        assert server.control.displaced == count
        connections.append(newest)
    assert connections[0].recv(1) == b"{"
    for connection in connections:
        connection.close()


def test_idle_connections_do_not_keep_a_client_waiting(server: Server) -> None:
    connections = [server.connect() for _ in range(4 * CONNECTIONS)]
    answers: list[dict[str, object]] = []
    client = threading.Thread(
        target=lambda: answers.append(
            control_client.ask(server.folder, {"type": "a"}, 5)
        )
    )
    client.start()
    while client.is_alive():
        server.loop.turn(0.01)
    assert answers == [{"echo": {"type": "a"}}]
    for connection in connections:
        connection.close()


def test_accepting_pauses_while_descriptors_are_short(server: Server) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(server.path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        server.loop.turn(1)
        # Nobody was accepted, and the loop does not turn for nothing.
        before = time.monotonic()
        server.loop.turn(0.05)
        assert time.monotonic() - before >= 0.05
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.control.tick(PAUSE - 0.01)
    server.loop.turn(0)
    connection.send(b'{"type":"a"}\n')
    assert not server.requests
    server.control.tick(PAUSE)
    server.turn()
    assert lines(connection) == [{"echo": {"type": "a"}}]
    connection.close()


def test_idle_connection_is_closed_and_a_busy_one_is_not(server: Server) -> None:
    with server.connect() as idle, server.connect() as busy:
        server.now = IDLE - 1
        busy.send(b'{"type":"a"}\n')
        server.turn()
        server.now = IDLE
        server.control.tick(server.now)
        assert idle.recv(1) == b""
        assert lines(busy)
        server.now = 2 * IDLE - 1
        server.control.tick(server.now)
        assert busy.recv(1) == b""


def test_reader_that_does_not_read_holds_up_nobody(server: Server) -> None:
    with server.connect() as stuck, server.connect() as other:
        stuck.send(b'{"type":"big"}\n{"type":"never"}\n')
        server.turn()
        other.send(b'{"type":"a"}\n')
        server.turn()
        assert lines(other) == [{"echo": {"type": "a"}}]
        assert [r["type"] for r in server.requests] == ["big", "a"]
        server.now = IDLE
        server.control.tick(server.now)
        server.turn()


def test_big_answer_arrives_whole(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b'{"type":"big"}\n')
        connection.setblocking(False)
        got = b""
        while not got.endswith(b"\n"):
            server.turn(1)
            try:
                got += connection.recv(1 << 20)
            except BlockingIOError:
                continue
        assert len(json.loads(got)["big"]) == BIG


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_not_answered() -> None:
    # Owner and mode already keep strangers out; open both to see the last door.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        server = Server(Path(folder))
        server.path.chmod(0o666)
        stranger = subprocess.Popen(
            [sys.executable, "-c", STRANGER, str(server.path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "in\n"
        server.turn()
        assert stranger.communicate()[0] == "b''\n"
        assert server.control.refused == 1
        server.close()


# The client


def test_client_gets_the_answer(server: Server) -> None:
    answers: list[dict[str, object]] = []
    client = threading.Thread(
        target=lambda: answers.append(
            control_client.ask(server.folder, {"type": "big"}, 10)
        )
    )
    client.start()
    while client.is_alive():
        server.loop.turn(0.01)
    assert len(str(answers[0]["big"])) == BIG


def test_client_does_not_wait_for_ever(server: Server) -> None:
    with pytest.raises(TimeoutError):
        control_client.ask(server.folder, {"type": "a"}, 0.05)


def test_client_says_when_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        control_client.ask(tmp_path, {"type": "a"}, 1)
