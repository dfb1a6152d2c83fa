"""How connections end and wait: clients see why, and cost only themselves."""

from contextlib import suppress

import pytest

from hubbub.codes import Close
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.websocket.decoder import MOST_EVENTS
from hubbub.server.websocket.frames import encode_frame
from hubbub.settings import MIB

from .conftest import Rig, masked

TEXT, BINARY, CLOSE, PONG = 1, 2, 8, 10


@pytest.mark.parametrize("unread", [0, 1 << 20])
def test_a_client_that_keeps_sending_reads_its_code(rig: Rig, unread: int) -> None:
    """Over TCP: unread input at a close would reset it and take the code away."""
    client = rig.tcp_client("lobby")
    client.send(b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask")
    rig.settle()
    assert client.c.phase == Phase.CLOSING
    left = unread
    while left:
        try:
            left -= client.end.send(b"x" * min(left, 65536))
        except BlockingIOError:
            assert rig.reactor.connections  # It must go on reading.
        rig.reactor.tick()
    assert client.close_code() == Close.TOO_BIG
    assert client.ended
    client.end.close()
    rig.settle()
    assert client.c.phase == Phase.CLOSED


def test_a_close_frame_goes_behind_what_is_unsent(rig: Rig) -> None:
    client = rig.client()
    data = encode_frame(BINARY, b"x" * 100_000)
    rig.reactor.send(client.c, data)
    assert client.c.outbox is not None
    rig.reactor.close(client.c, Close.GOING_AWAY)
    rig.reactor.send(client.c, b"nothing comes after it")
    got = b""
    while not client.ended:
        got = client.read()
        rig.reactor.tick()
    assert got[: len(data)] == data
    assert [payload[:2] for _, payload in client.frames()][1:] == [b"\x03\xe9"]
    assert rig.counters.outbox_bytes == 0


def test_a_clients_close_is_answered_with_its_code(rig: Rig) -> None:
    rig.receiving = lambda c, events: rig.reactor.answer_close(c, events[0][1])
    client = rig.client("lobby")
    client.send(masked(CLOSE, b"\x0f\xa1and why"))
    rig.reactor.tick()
    assert client.frames() == [(CLOSE, b"\x0f\xa1")]
    assert client.ended
    assert client.c.phase == Phase.CLOSING
    client.end.close()
    rig.reactor.tick()
    assert client.c.phase == Phase.CLOSED


def test_a_connection_that_closes_says_and_hears_nothing_more(rig: Rig) -> None:
    got: list[object] = []
    rig.receiving = lambda c, events: got.extend(events)
    client = rig.client("lobby")
    rig.reactor.close(client.c, Close.NORMAL)
    client.send(masked(TEXT, b"x"))
    rig.settle()
    assert got == []
    assert client.close_code() == Close.NORMAL


# Pongs, and clients that must be patient


def test_pings_are_answered_at_once_and_in_order(rig: Rig) -> None:
    client = rig.client()
    for payload in (b"1", b"2", b"3"):
        rig.reactor.pong(client.c, payload)
    assert client.frames() == [(PONG, b"1"), (PONG, b"2"), (PONG, b"3")]


def test_behind_an_outbox_only_the_latest_ping_is_answered(rig: Rig) -> None:
    client = rig.client()
    rig.reactor.send(client.c, encode_frame(BINARY, b"x" * 50_000))
    size = rig.counters.outbox_bytes
    for number in range(1000):
        rig.reactor.pong(client.c, b"%d" % number)
    assert rig.counters.outbox_bytes == size > 0
    while client.c.outbox is not None:
        client.read()
        rig.reactor.tick()
    assert client.frames()[1:] == [(PONG, b"999")]


def test_who_must_be_patient_is_not_read_while_it_does_not_read(rig: Rig) -> None:
    rig.limit(outbox=1024)

    def echo(c: Connection, events: list[tuple[int, bytes]]) -> None:
        for opcode, payload in events:
            rig.reactor.send(c, encode_frame(opcode, payload))

    rig.receiving = echo
    client = rig.client()
    client.c.patient = True
    message = masked(BINARY, b"x" * 10_000)
    sent = 0
    while True:
        try:
            sent += client.end.send(message) // len(message)
        except BlockingIOError:
            break
        rig.reactor.tick()
    assert rig.counters.outbox_bytes < 2 * 65536 + len(message)
    got = 0
    while got < sent:
        got += len(client.frames())
        rig.reactor.tick()
    assert client.c.phase == Phase.OPEN
    assert rig.counters.slow_outbox == 0


def test_who_must_be_patient_is_not_fed_while_it_does_not_read(rig: Rig) -> None:
    """Its read has messages left when the outbox begins, and no byte follows them."""

    def echo(c: Connection, events: list[tuple[int, bytes]]) -> None:
        for _, payload in events:
            rig.reactor.send(c, encode_frame(BINARY, payload * 100))

    rig.receiving = echo
    client = rig.client()
    client.c.patient = True
    count = 3000
    client.send(b"".join(masked(BINARY, b"%04d" % number) for number in range(count)))
    rig.settle()
    assert rig.counters.outbox_bytes < 500 * MOST_EVENTS
    got: list[bytes] = []
    while len(got) < count:
        got += [payload[:4] for _, payload in client.frames()]
        rig.reactor.tick()
    assert got == [b"%04d" % number for number in range(count)]


def test_who_floods_on_while_closing_is_dropped(rig: Rig) -> None:
    client = rig.tcp_client("lobby")
    rig.reactor.close(client.c, Close.POLICY)
    sent = 0
    while client.c.phase == Phase.CLOSING:
        assert sent < 64 * MIB, "it is read for ever"
        with suppress(BlockingIOError):
            sent += client.end.send(bytes(65536))
        rig.settle()
    assert sent > 16 * MIB
