"""The ledger and the counters tell what differs."""

import os
import socket
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.counters import differences
from tests.faults.history import Gap, History, Kind, Sent, Session
from tests.faults.ledger import MEMORY_LEAST, Resources, open_files

BEFORE = Resources(Counter(unix=3, pidfd=2), Counter(tcp=40), 6, 0, 40 << 20)


def test_the_same_differs_in_nothing() -> None:
    assert BEFORE.difference(replace(BEFORE, private=1)) == {}


@pytest.mark.parametrize(
    ("after", "found"),
    [
        ({"supervisor": Counter(unix=3, pidfd=3)}, {"supervisor pidfd": 1}),
        ({"supervisor": Counter(unix=3)}, {"supervisor pidfd": -2}),
        ({"workers": Counter(tcp=40, pipe=2)}, {"workers pipe": 2}),
        ({"processes": 7}, {"processes": 1}),
        ({"zombies": 1}, {"zombies": 1}),
    ],
    ids=["more", "fewer", "new", "process", "zombie"],
)
def test_what_is_left_behind_is_found(
    after: dict[str, Any], found: dict[str, int]
) -> None:
    assert replace(BEFORE, **after).difference(BEFORE) == found


def test_memory_has_a_limit_in_proportion_and_a_least_one() -> None:
    assert BEFORE.memory_limit() == 6 << 20
    assert replace(BEFORE, private=1 << 20).memory_limit() == MEMORY_LEAST
    assert replace(BEFORE, private=43 << 20).growth(BEFORE) == 3 << 20


def test_open_files_are_counted_by_kind() -> None:
    before = open_files(os.getpid())
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)):
        read, write = os.pipe()
        assert open_files(os.getpid()) - before == Counter(unix=2, tcp=1, pipe=2)
    os.close(read)
    os.close(write)
    assert open_files(os.getpid()) == before


def served() -> tuple[History, dict[str, Any]]:
    """Return a publisher with two messages and a member that heard them, and the row
    of the worker that served both."""
    speaker = Session(0, Kind.PUBLISHER, "a", 0.0, 0.0, 0, 1)
    speaker.sent = [Sent(speaker, number, 1.0, 2.0) for number in range(2)]
    member = Session(1, Kind.NATIVE, "a", 0.0, 0.0, 0, 1)
    member.heard = [(sent, 3.0) for sent in speaker.sent]
    row = {"slot": 0, "generation": 1, "accepted": 2, "messages_in": 3, "delivered": 2}
    return History([speaker, member]), row


def test_counters_that_agree_differ_in_nothing() -> None:
    history, row = served()
    assert differences(history, [row]) == []


@pytest.mark.parametrize("name", ["accepted", "messages_in", "delivered"])
def test_a_counter_that_is_off_by_one_is_found(name: str) -> None:
    history, row = served()
    for off in (-1, 1):
        found = differences(history, [row | {name: row[name] + off}])
        assert len(found) == 1
        assert found[0].startswith(f"{name} of slot 0")


def test_a_worker_that_replaced_another_is_not_compared() -> None:
    history, row = served()
    assert differences(history, [row | {"generation": 2, "accepted": 99}]) == []


def test_a_connect_that_failed_may_have_been_accepted() -> None:
    history, row = served()
    history.sessions.append(Session(2, Kind.PLAIN, "a", 0.0, ended=1.0))
    for accepted, wrong in ((2, 0), (3, 0), (4, 1), (1, 1)):
        assert len(differences(history, [row | {"accepted": accepted}])) == wrong


def test_strangers_may_have_been_accepted_by_anybody() -> None:
    history, row = served()
    assert differences(history, [row | {"accepted": 3}], strangers=1) == []
    assert len(differences(history, [row | {"accepted": 4}], strangers=1)) == 1


def test_a_gap_is_no_delivery() -> None:
    history, row = served()
    history.sessions[1].heard.append((Gap(), 4.0))
    assert differences(history, [row]) == []
