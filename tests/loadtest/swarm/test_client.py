"""What a mass client remembers, and what it does not take into its next life."""

import sys

from hubbub.loadtest.swarm.client import MOST_CLIENTS, Client, Seat, State, sender_of


def test_client_begins_away_in_the_room_of_its_seat() -> None:
    client = Client(Seat(3, room=9))
    assert client.state == State.AWAY
    assert client.room == 9
    assert client.sender == 3
    assert client.name == "client 3"


def test_who_has_said_something_goes_on_under_another_name() -> None:
    client = Client(Seat(3, 9))
    client.number, client.sent = 5, 77
    client.renew()
    assert client.sender == 3 + MOST_CLIENTS
    assert (client.number, client.sent) == (0, 0)


def test_who_has_said_nothing_keeps_its_name() -> None:
    client = Client(Seat(3, 9))
    client.renew()
    assert client.sender == 3


def test_nothing_heard_or_unsent_outlives_a_connection() -> None:
    client = Client(Seat(3, 9))
    client.state = State.JOINED
    client.last = {1: 2}
    client.tail = client.out = b"half a frame"
    client.asked = client.asleep = True
    client.renew()
    assert client.state == State.AWAY
    assert client.last == {}
    assert client.tail == client.out == b""
    assert not client.asked
    assert not client.asleep


def test_names_of_senders_fit_into_a_message_in_every_life() -> None:
    last = MOST_CLIENTS - 1
    assert sender_of(last, 4095) == (1 << 32) - 1
    assert sender_of(last, 4096) == sender_of(last, 0)
    names = {sender_of(name, life) for name in (0, 1, last) for life in range(4096)}
    assert len(names) == 3 * 4096


def test_client_is_small() -> None:
    client = Client(Seat(3, 9))
    assert not hasattr(client, "__dict__")
    assert sys.getsizeof(client) + sys.getsizeof(client.last) < 400
