"""Contenders in processes of their own."""

import pytest

from hubbub.loadtest.bench.peers.install import Installed
from hubbub.loadtest.bench.peers.turns import FLOOR, HUBBUB, Child
from hubbub.loadtest.bench.row import Invalid, Options

pytestmark = pytest.mark.slow

SMALL = Options(seconds=0.25, rounds=1, scale=0.01)
NOTHING = Installed("", "")


def test_child_takes_turns() -> None:
    with Child(HUBBUB, NOTHING, SMALL) as child:
        assert child.turn("enter") == {}
        assert set(child.turn("room")) == {"room_us", "room_p99_ms"}
        assert child.turn("leave room") == {}


def test_reason_comes_back_from_the_child() -> None:
    absent = Installed("/there/is/no/such/program", "")
    with (
        Child("ws", absent, SMALL) as child,
        pytest.raises(Invalid, match="No such file"),
    ):
        child.turn("arrive")


def test_child_that_has_ended_says_so() -> None:
    with Child("nobody", NOTHING, SMALL) as child:
        for _ in range(2):
            with pytest.raises(Invalid, match="what measures it has ended"):
                child.turn("arrive")


def interrupted(child: Child) -> None:
    """Be stopped at the keyboard in a stage."""
    child.turn("enter")
    raise KeyboardInterrupt


def test_child_ends_with_who_asks() -> None:
    child = Child(FLOOR, NOTHING, SMALL)
    with pytest.raises(KeyboardInterrupt), child:
        interrupted(child)
    assert child.returncode is not None
