"""The floor: it sends what it was told, to whom and when."""

import socket
import time
from collections.abc import Iterator

import pytest

from hubbub.loadtest.bench.connect import connect, request
from hubbub.loadtest.bench.crowd import Crowd
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.row import Invalid

pytestmark = pytest.mark.slow

ANSWER = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture
def floor() -> Iterator[Floor]:
    with Floor() as made:
        yield made


@pytest.mark.parametrize(
    ("hearers", "messages", "each"),
    [
        (4, 3, [3, 3, 3, 3]),
        (2, 3, [2, 2, 1, 1]),
        (3, 2, [2, 2, 1, 1]),
        (6, 1, [2, 2, 1, 1]),
    ],
)
def test_messages_go_round(
    floor: Floor, hearers: int, messages: int, each: list[int]
) -> None:
    sockets = floor.connect(4)
    floor.ask("send", hearers, messages, 0, 5)
    floor.finish()
    with Crowd(sockets):
        assert [len(one.recv(100)) for one in sockets] == [5 * times for times in each]


def test_floor_keeps_its_rate(floor: Floor) -> None:
    with Crowd(floor.connect(2)) as crowd:
        began = time.monotonic()
        floor.ask("send", 2, 10, 100.0, 102)
        crowd.drain_to(2 * 10 * 102)
        floor.finish()
        assert time.monotonic() - began >= 0.1


def test_floor_welcomes_like_a_server(floor: Floor) -> None:
    heads: dict[int, bytes] = {}

    def note(number: int, sock: socket.socket, head: bytes) -> None:
        heads[number] = head
        sock.close()

    floor.ask("welcome", 300, ANSWER)
    connect(
        floor.port,
        [request(floor.port, f"/rooms/{number}") for number in range(300)],
        note,
    )
    floor.finish()
    floor.ask("forget")
    floor.finish()
    assert heads == dict.fromkeys(range(300), ANSWER.encode())


def test_cpu_time_of_the_floor_grows_with_its_work(floor: Floor) -> None:
    with Crowd(floor.connect(10)) as crowd:
        before = floor.cpu_seconds()
        floor.ask("send", 10, 1000, 0, 102)
        crowd.drain_to(10 * 1000 * 102)
        floor.finish()
        assert floor.cpu_seconds() > before


def test_floor_that_fails_is_an_invalid_run() -> None:
    with Floor() as floor:
        floor.ask("send", 1, "many", 0, 5)
        with pytest.raises(Invalid, match="the floor failed"):
            floor.finish()
