"""The comparison: everybody is in the table, whatever becomes of them."""

from pathlib import Path

import pytest

from hubbub.loadtest.bench.peers.compare import Compared, compare, find
from hubbub.loadtest.bench.peers.install import Installed, Missing
from hubbub.loadtest.bench.peers.peer import Peer
from hubbub.loadtest.bench.row import Options

SMALL = Options(seconds=0.25, rounds=1, scale=0.01)


def missing(folder: Path) -> Installed:
    raise Missing("there is no such thing here")


def bad(folder: Path) -> Installed:
    return Installed("/there/is/no/such/program", "1.0")


@pytest.mark.slow
def test_missing_and_failing_peers_are_in_the_result(tmp_path: Path) -> None:
    peers = [
        Peer("nothing", "relay_ws.js", missing),
        Peer("ws", "relay_ws.js", bad),
    ]
    compared = compare(peers, SMALL, tmp_path)
    assert [one.name for one in compared] == ["floor", "Hubbub", "nothing", "ws"]
    floor, ours, nothing, ws = compared
    assert floor.figures["room_us"] > 0
    assert ours.faults == {}
    assert ours.figures["idle_connections"] == 100
    assert len(ours.rounds["rooms_us"]) == 1
    assert nothing.missing == "there is no such thing here"
    assert nothing.rounds == {}
    assert "No such file" in ws.faults["arrive"]
    assert "No such file" in ws.faults["enter"]
    assert ws.figures == {}


def test_figure_is_the_median_of_its_rounds() -> None:
    one = Compared("a", rounds={"room_us": [9.0, 7.0, 8.0], "room_p99_ms": [1.0]})
    assert one.figures == {"room_us": 8.0, "room_p99_ms": 1.0}


@pytest.mark.parametrize(
    ("turn", "left"),
    [
        ("arrive", {"room_us", "saturated_s"}),
        ("rooms", {"connects_s", "idle_bytes", "room_us", "saturated_s"}),
        ("leave rooms", {"connects_s", "idle_bytes", "room_us", "saturated_s"}),
        ("enter", {"connects_s", "idle_bytes", "rooms_us"}),
        ("room", {"connects_s", "idle_bytes", "rooms_us"}),
        ("windows", {"connects_s", "idle_bytes", "rooms_us", "room_us"}),
        ("saturated", {"connects_s", "idle_bytes", "rooms_us", "room_us"}),
        ("leave room", {"connects_s", "idle_bytes", "rooms_us"}),
    ],
)
def test_figures_that_a_failure_is_about_do_not_count(
    turn: str, left: set[str]
) -> None:
    names = ("connects_s", "idle_bytes", "rooms_us", "room_us", "saturated_s")
    one = Compared("a", rounds={name: [1.0] for name in names}, faults={turn: "lost"})
    assert set(one.figures) == left
    assert {name for name in names if one.failed(name)} == set(names) - left


def test_one_is_found_by_its_name() -> None:
    two = [Compared("a"), Compared("b")]
    assert find(two, "b") is two[1]
