"""Who sits where: the crowd over its processes, the canaries over the rooms."""

import pytest

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.seating import MOST_HEARD, canary_seats, notes, orders
from hubbub.loadtest.swarm.client import Seat
from hubbub.loadtest.target import Target
from hubbub.people.place import Place

SERVER = Target(
    Place(False, "localhost", 81, "/ws"), ("127.0.0.1", 81), None, "ws://localhost:81"
)


class Returning(Scenario):
    """Some return."""

    name = "returning"
    returns = 0.5
    forgiven = frozenset({"closed_4008"})


def test_every_seat_is_taken_by_one_process() -> None:
    plan = Plan(clients=10, rooms=3, processes=4, canaries=0)
    *crowd, few = orders(plan, Scenario(), SERVER, "load-1")
    assert [len(one.seats) for one in crowd] == [3, 3, 2, 2]
    names = sorted(seat.name for one in crowd for seat in one.seats)
    assert names == list(range(10))
    assert few.seats == []


def test_canaries_have_the_orders_of_everybody() -> None:
    plan = Plan(clients=4, size=99, rate=2.5, seed=7)
    crowd, few = orders(plan, Returning(), SERVER, "load-1")
    for one in (crowd, few):
        assert one.address == ("127.0.0.1", 81)
        assert one.host == "localhost:81"
        assert one.prefix == "/rooms/load-1."
        assert (one.size, one.rate) == (99, 2.5)
        assert one.returns == 0.5
        assert one.forgiven == {"closed_4008"}
    assert crowd.seed != few.seed


def seats(plan: Plan) -> list[Seat]:
    return list(canary_seats(plan, list(Scenario().seats(plan))))


def test_canaries_are_spread_over_the_rooms_and_one_is_alone() -> None:
    plan = Plan(clients=100, rooms=10, canaries=4)
    *among, alone = seats(plan)
    assert [seat.room for seat in among] == [0, 2, 5, 7]
    assert [seat.speaks for seat in among] == [True, False, False, False]
    assert alone.room == 10
    assert not alone.speaks


def test_canaries_share_rooms_where_there_are_few() -> None:
    assert [seat.room for seat in seats(Plan(clients=5, rooms=2))] == [0, 0, 1, 1, 2]


def test_names_of_canaries_are_nobody_elses() -> None:
    plan = Plan(clients=50, canaries=4)
    assert [seat.name for seat in seats(plan)] == [50, 51, 52, 53, 54]


def test_canaries_stay_away_from_rooms_that_are_too_fast_for_them() -> None:
    plan = Plan(clients=100, rooms=10, rate=MOST_HEARD / 10 / 2.5, canaries=4)
    assert [seat.room for seat in seats(plan)] == [0, 2, 10]
    (note,) = notes(plan, seated=3)
    assert note.startswith("2 of 4 canaries stayed away")
    fast = Plan(clients=100, rate=1000.0)
    assert [seat.room for seat in seats(fast)] == [1]


def test_canary_speaks_even_where_the_first_one_had_no_seat() -> None:
    crowd = [Seat(0, 0)] + [Seat(1 + index, 1) for index in range(1000)]
    among = list(canary_seats(Plan(clients=1001, rate=10.0, canaries=2), crowd))[:-1]
    assert [(seat.room, seat.speaks) for seat in among] == [(0, True)]
    crowd = [Seat(0, 1)] + [Seat(1 + index, 0) for index in range(1000)]
    among = list(canary_seats(Plan(clients=1001, rate=10.0, canaries=2), crowd))[:-1]
    assert [(seat.room, seat.speaks) for seat in among] == [(1, True)]


def test_nobody_speaks_where_the_plan_is_silence() -> None:
    assert not any(seat.speaks for seat in seats(Plan(clients=10, rate=0.0)))


def test_plan_without_canaries_has_none_at_all() -> None:
    assert seats(Plan(clients=10, canaries=0)) == []


@pytest.mark.parametrize(("canaries", "seated"), [(0, 0), (4, 5)])
def test_there_is_nothing_to_tell_where_all_are_seated(
    canaries: int, seated: int
) -> None:
    assert notes(Plan(canaries=canaries), seated) == []
