"""What mass clients hear, and what they make of it, on real sockets."""

import pytest

from hubbub.loadtest.message import SMALLEST, encode
from hubbub.loadtest.swarm.frames import PING, PONG
from tests.loadtest.swarm.hall import ANN, ROOM, Hall, frames_of, served


def test_messages_are_counted_with_their_latencies(hall: Hall) -> None:
    hall.join()
    hall.hears(b"".join(hall.say(number) for number in range(1, 11)))
    assert hall.tally.received == 11
    assert hall.tally.latency.total == 11
    assert hall.tally.latency.percentile(1.0) < 5_000
    assert hall.counts() == {}
    assert hall.client.last == {ANN: 10, 99: 1}


@pytest.mark.parametrize("step", [1, 3, 50, 103, 104, 105, 207])
def test_messages_are_heard_however_reads_divide_them(hall: Hall, step: int) -> None:
    hall.join()
    data = b"".join(hall.say(number) for number in range(1, 9))
    hall.hears(*(data[at : at + step] for at in range(0, len(data), step)))
    assert hall.client.last[ANN] == 8
    assert (hall.tally.received, hall.counts()) == (9, {})


@pytest.mark.parametrize("size", [SMALLEST, 125, 126, 65535, 65536, 70_000])
def test_messages_of_any_size_are_heard(hall: Hall) -> None:
    hall.join()
    hall.hears(hall.say(1) + hall.say(2), hall.say(3))
    assert hall.client.last[ANN] == 3
    assert (hall.tally.received, hall.counts()) == (4, {})


def test_ping_between_messages_is_answered(hall: Hall) -> None:
    hall.join()
    hall.hears(hall.say(1) + served(b"still there?", PING) + hall.say(2))
    assert frames_of(hall.peer.recv(1000)) == [(PONG, b"still there?")]
    assert hall.client.last[ANN] == 2


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ((1, 2, 4), {"lost": 1}),
        ((1, 2, 2), {"duplicated": 1}),
        ((1, 3, 2), {"reordered": 1}),
    ],
)
def test_sequences_are_checked_on_either_way(
    hall: Hall, numbers: tuple[int, ...], found: dict[str, int], slowly: bool
) -> None:
    hall.join()
    data = b"".join(hall.say(number) for number in numbers)
    hall.hears(data + served(b"", PING) if slowly else data)
    assert hall.counts() == found
    assert hall.tally.received == len(numbers) + 1


def test_strays_and_echoes_are_misrouted(hall: Hall) -> None:
    hall.join()
    hall.hears(hall.say(1, room=8) + hall.say(1, sender=5))
    assert hall.counts() == {"misrouted": 2}


@pytest.mark.parametrize(
    "frame",
    [
        served(b"hello"),
        served(b"\0" * 100),
        served(encode(ROOM, ANN, 1, 0, 0, 0, 101)),
        served(b"text", opcode=1),
    ],
)
def test_what_is_none_of_ours_is_corrupted_and_not_received(
    hall: Hall, frame: bytes
) -> None:
    hall.join()
    hall.hears(frame)
    assert hall.counts() == {"corrupted": 1}
    assert hall.tally.received == 1


def test_damaged_message_out_of_line_is_corrupted_and_not_received(hall: Hall) -> None:
    hall.join()
    frame = bytearray(hall.say(1))
    frame[2 + 4] ^= 1  # Its room.
    hall.hears(bytes(frame))
    assert hall.counts() == {"corrupted": 1}
    assert hall.tally.received == 1


def test_one_of_64_messages_in_line_is_looked_into(hall: Hall) -> None:
    hall.join()
    for number in range(1, 129):
        hall.peer.sendall(hall.say(number)[:-1] + b"\0")
        hall.spin(lambda number=number: hall.tally.received == number)
    # The first one, which is always looked into, and those that fill up 64.
    assert hall.counts() == {"corrupted": 3}
    assert [one.number for one in hall.tally.ledger.first] == [1, 64, 128]
