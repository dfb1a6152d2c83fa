"""One room of 1,000 members that hears 20 messages/s."""

from hubbub.loadtest.bench.cluster import serve
from hubbub.loadtest.bench.connect import upgrade
from hubbub.loadtest.bench.crowd import Crowd
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.row import Options, Row, Target, in_turns, middle
from hubbub.loadtest.bench.sides import cluster_side, floor_side

_MEMBERS = 1000
_RATE = 20.0


def measure(options: Options) -> list[Row]:
    """Return the row: the worker's CPU a delivery."""
    members = options.sized(_MEMBERS)
    messages = max(1, round(options.seconds * _RATE))
    path = "/rooms/bench"
    with (
        Floor() as floor,
        serve() as cluster,
        Crowd(floor.connect(members)) as floor_crowd,
        Crowd(upgrade(cluster.port, [path] * members)) as crowd,
        upgrade(cluster.port, [path])[0] as speaker,
    ):
        rounds = in_turns(
            options.rounds,
            floor_side(floor, floor_crowd, members, messages, _RATE),
            cluster_side(cluster, crowd, [speaker], members, messages, _RATE),
        )
    return [
        Row(
            name="room",
            what=f"one room of {members}, {_RATE:g} messages/s",
            unit="µs CPU/delivery",
            floor=middle(rounds, 0),
            hubbub=middle(rounds, 1),
            beside="a loop of send()",
            target=Target("ratio", at_most=1.3),
            rounds=rounds,
        )
    ]
