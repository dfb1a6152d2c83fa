"""The keeper sheds what can be spared, tells why, and leaves."""

from typing import Any

import pytest

from hubbub.server.ceilings import Ceilings
from hubbub.server.keeper import Keeper
from tests.server.reactor.conftest import Rig, rig

__all__ = ["rig"]


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def keeper(rig: Rig, told: list[dict[str, Any]]) -> Keeper:
    return Keeper(Ceilings(1000, 2000, 0.5), rig.reactor, rig.hub, told.append)


def test_below_the_ceilings_nothing_is_said(
    keeper: Keeper, told: list[dict[str, Any]]
) -> None:
    keeper.judge(1000, 0.0)
    assert told == []


def test_half_of_what_is_unsent_goes_with_those_who_have_most(
    rig: Rig, keeper: Keeper, told: list[dict[str, Any]]
) -> None:
    rooms = ("large", "middle", "small")
    clients = [rig.client(room) for room in rooms]
    for room, size in zip(rooms, (900_000, 500_000, 200_000), strict=True):
        rig.say("x" * size, room)
    rig.settle()
    keeper.judge(1001, 0.0)
    rig.settle()
    large, middle, small = (client.c for client in clients)
    assert middle.outbox is not None
    assert small.outbox is not None
    assert large.phase != middle.phase == small.phase
    (words,) = told
    assert words["step"] == "shed"
    assert words["connections"] == 3
    assert words["rooms"] == 3
    assert words["outbox_bytes"] > 1_400_000


def test_the_hard_ceiling_is_left_once(
    keeper: Keeper, told: list[dict[str, Any]]
) -> None:
    keeper.judge(2001, 0.0)
    keeper.judge(2002, 0.25)
    assert keeper.outgrown.is_set()
    assert [(words["step"], words["ceiling"]) for words in told] == [("leave", 2000)]
