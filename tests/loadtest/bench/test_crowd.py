"""A crowd counts what comes to the byte, and notices what must not happen."""

import socket
import time
from collections.abc import Iterator

import pytest
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from hubbub.loadtest.bench.crowd import DELIVERED, MESSAGE, SPOKEN, Crowd, speak
from hubbub.loadtest.bench.row import Invalid


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Three TCP connections: the server's end, the member's end."""
    made: list[tuple[socket.socket, socket.socket]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(3):
            member = socket.create_connection(listener.getsockname())
            member.setblocking(False)
            made.append((listener.accept()[0], member))
    yield made
    for server, member in made:
        server.close()
        member.close()


@pytest.fixture
def crowd(pairs: list[tuple[socket.socket, socket.socket]]) -> Iterator[Crowd]:
    with Crowd([member for _, member in pairs], patience=0.05) as made:
        yield made


Pairs = list[tuple[socket.socket, socket.socket]]


def test_crowd_counts_every_byte(pairs: Pairs, crowd: Crowd) -> None:
    # More than one read takes, so that a discarding read that counts wrongly shows.
    for server, _ in pairs:
        server.send(b"x" * 70_001)
    crowd.drain_to(3 * 70_001)
    assert crowd.received == 3 * 70_001
    with pytest.raises(BlockingIOError):
        pairs[0][1].recv(1)


def test_missing_bytes_are_lost_deliveries(pairs: Pairs, crowd: Crowd) -> None:
    pairs[0][0].send(DELIVERED)
    with pytest.raises(Invalid, match="2 deliveries were lost"):
        crowd.drain_to(3 * len(DELIVERED))


def test_bytes_that_nobody_sent_are_an_error(pairs: Pairs, crowd: Crowd) -> None:
    pairs[0][0].send(DELIVERED + b"??")
    with pytest.raises(Invalid, match="2 bytes came that nobody sent"):
        crowd.drain_to(len(DELIVERED))


def test_closed_member_is_an_error(pairs: Pairs, crowd: Crowd) -> None:
    pairs[1][0].close()
    with pytest.raises(Invalid, match="closed a connection"):
        crowd.drain_to(1)


def test_drain_until_ends_when_due(crowd: Crowd) -> None:
    due = time.monotonic() + 0.0035
    crowd.drain_until(due)
    assert time.monotonic() >= due


def test_speakers_take_turns_and_keep_the_rate(pairs: Pairs) -> None:
    # Nobody listens: what is said can be read at the other end.
    speakers = [member for _, member in pairs]
    with Crowd([]) as nobody:
        began = time.monotonic()
        speak(nobody, speakers, messages=6, rate=200.0, hearers=0)
        assert time.monotonic() - began >= 6 / 200.0
    for server, _ in pairs:
        assert server.recv(4096) == SPOKEN * 2


def test_generator_that_cannot_keep_its_rate_says_so(pairs: Pairs) -> None:
    with (
        Crowd([]) as nobody,
        _Dull() as speaker,
        pytest.raises(Invalid, match=r"only \d+ of 1000000000 messages/s"),
    ):
        speak(nobody, [speaker], messages=1000, rate=1e9, hearers=0)


class _Dull(socket.socket):
    """A speaker whose every word takes a while."""

    def send(self, data: object, flags: int = 0) -> int:
        time.sleep(0.0002)
        return len(SPOKEN)


def test_spoken_message_is_what_an_independent_codec_reads() -> None:
    server = Connection(ConnectionType.SERVER)
    server.receive_data(SPOKEN)
    (event,) = server.events()
    assert isinstance(event, TextMessage)
    assert event.data == "x" * MESSAGE
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(DELIVERED)
    (event,) = client.events()
    assert isinstance(event, TextMessage)
    assert event.data == "x" * MESSAGE
