"""1,000 rooms of 10, one speaker in each, 90,000 deliveries/s."""

from hubbub.loadtest.bench.cluster import serve
from hubbub.loadtest.bench.connect import upgrade
from hubbub.loadtest.bench.crowd import Crowd
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.row import Options, Row, Target, in_turns, middle
from hubbub.loadtest.bench.sides import Speakers, cluster_side, floor_side

_ROOMS = 1000
_HEARERS = 9
_RATE = 10.0
"""Messages a second of each speaker."""


def measure(options: Options) -> list[Row]:
    """Return the row: the worker's CPU a delivery."""
    rooms = options.sized(_ROOMS)
    rate = rooms * _RATE
    messages = max(rooms, round(options.seconds * rate))
    paths = [f"/rooms/small{number}" for number in range(rooms)]
    with (
        Floor() as floor,
        serve() as cluster,
        Crowd(floor.connect(rooms * _HEARERS)) as floor_crowd,
        Crowd(upgrade(cluster.port, paths * _HEARERS)) as crowd,
        Speakers(upgrade(cluster.port, paths)) as speakers,
    ):
        rounds = in_turns(
            options.rounds,
            floor_side(floor, floor_crowd, _HEARERS, messages, rate),
            cluster_side(cluster, crowd, speakers, _HEARERS, messages, rate),
        )
    return [
        Row(
            name="rooms",
            what=f"{rooms} rooms of {_HEARERS + 1}, a speaker in each at {_RATE:g} "
            f"messages/s, {rate * _HEARERS:,.0f} deliveries/s",
            unit="µs CPU/delivery",
            floor=middle(rounds, 0),
            hubbub=middle(rounds, 1),
            beside="a loop of send(), with the same pauses",
            target=Target("ratio", at_most=1.6),
            rounds=rounds,
        )
    ]
