"""What one process of mass clients counts."""

from hubbub.loadtest.swarm.tally import Tally


def test_crowd_is_whole_while_everybody_is_there() -> None:
    tally = Tally(2)
    tally.came(10)
    assert (tally.connected, tally.whole) == (1, 0)
    tally.came(20)
    assert (tally.connected, tally.whole) == (2, 20)
    tally.went()
    assert (tally.connected, tally.whole) == (1, 0)
    tally.came(30)
    assert (tally.connected, tally.whole, tally.joins) == (2, 30, 3)


def test_errors_and_ends_that_are_forgiven_are_counted_by_kind() -> None:
    tally = Tally()
    for kind in ("lost", "closed_4008", "lost"):
        tally.error(kind)
    tally.forgive("lost")
    assert tally.errors == {"lost": 2, "closed_4008": 1}
    assert tally.forgiven == {"lost": 1}
    assert tally.closed == 0
