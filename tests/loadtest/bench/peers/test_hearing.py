"""A crowd that knows how long each message took."""

import socket
import time
from collections.abc import Iterator

import pytest

from hubbub.loadtest.bench.peers.hearing import Hearing
from hubbub.loadtest.bench.row import Invalid

Pairs = list[tuple[socket.socket, socket.socket]]


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    """Four connections: the server's end, the member's end; two rooms of two."""
    made: Pairs = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(4):
            member = socket.create_connection(listener.getsockname())
            member.setblocking(False)
            made.append((listener.accept()[0], member))
    yield made
    for server, member in made:
        server.close()
        member.close()


@pytest.fixture
def crowd(pairs: Pairs) -> Iterator[Hearing]:
    with Hearing([m for _, m in pairs], [0, 0, 1, 1], size=10, patience=0.05) as made:
        yield made


def test_each_delivery_is_timed_from_when_its_message_was_due(
    pairs: Pairs, crowd: Hearing
) -> None:
    now = time.monotonic()
    # Messages 0 and 2 are for room 0, 1 and 3 for room 1; one a second, from 100 s ago.
    crowd.begin(now - 100, 1.0)
    pairs[0][0].send(b"x" * 20)
    crowd.drain(1)
    pairs[3][0].send(b"x" * 10)
    crowd.drain(1)
    assert crowd.latencies == pytest.approx([100, 98, 99], abs=0.9)
    assert crowd.received == 30


def test_delivery_counts_when_its_last_byte_came(pairs: Pairs, crowd: Hearing) -> None:
    crowd.begin(time.monotonic(), 1.0)
    pairs[0][0].send(b"x" * 9)
    crowd.drain(1)
    assert crowd.latencies == []
    pairs[0][0].send(b"x")
    crowd.drain(1)
    assert len(crowd.latencies) == 1


def test_nothing_is_timed_before_the_first_run_and_after_it(
    pairs: Pairs, crowd: Hearing
) -> None:
    pairs[0][0].send(b"x" * 10)
    crowd.drain(1)
    crowd.begin(time.monotonic(), 1.0)
    crowd.rest()
    pairs[0][0].send(b"x" * 10)
    crowd.drain(1)
    assert crowd.latencies == []
    assert crowd.received == 20


def test_each_run_counts_anew(pairs: Pairs, crowd: Hearing) -> None:
    for _ in range(2):
        crowd.begin(time.monotonic() - 10, 1.0)
        pairs[0][0].send(b"x" * 10)
        crowd.drain(1)
    assert crowd.latencies == pytest.approx([10, 10], abs=0.9)


def test_p99_is_what_one_in_a_hundred_exceeds(crowd: Hearing) -> None:
    crowd.latencies += [number / 1000 for number in range(1000, 0, -1)]
    assert crowd.p99_ms() == pytest.approx(991)
    crowd.latencies[:] = [0.5]
    assert crowd.p99_ms() == pytest.approx(500)


def test_who_got_too_much_does_not_make_up_for_who_got_too_little(
    pairs: Pairs, crowd: Hearing
) -> None:
    crowd.begin(time.monotonic(), 1.0)
    for server, _ in pairs:
        server.send(b"x" * 10)
    crowd.drain_to(40)
    crowd.check(1)
    pairs[0][0].send(b"x" * 10)
    crowd.drain_to(50)
    with pytest.raises(Invalid, match="1 members got too much or too little"):
        crowd.check(1)


def test_closed_member_is_an_error(pairs: Pairs, crowd: Hearing) -> None:
    crowd.begin(time.monotonic(), 1.0)
    pairs[1][0].close()
    with pytest.raises(Invalid, match="closed a connection"):
        crowd.drain_to(1)
