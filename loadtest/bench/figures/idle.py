"""10,000 idle connections: private memory of each.

Measured is what the worker process holds (USS), after against before; what the kernel
holds for a socket is not in it. One room for all and a room each are the ends of what
is possible; rooms of 10 are the target.
"""

from contextlib import ExitStack

from hubbub.loadtest.bench.cluster import serve
from hubbub.loadtest.bench.connect import upgrade
from hubbub.loadtest.bench.machine import raise_file_limit, settle
from hubbub.loadtest.bench.row import Options, Row, Target

_CONNECTIONS = 10_000
_SPARE = 200
"""Descriptors that server and generator want besides."""
_WARM = 500
"""Connections that came and went before: what they left is there for everybody."""
_LAYOUTS = {"idle": 10, "idle.one": _CONNECTIONS, "idle.each": 1}
"""Members of a room, by row."""


def measure(options: Options) -> list[Row]:
    """Return a row a layout: bytes of private memory a connection."""
    count = min(options.sized(_CONNECTIONS, 10), raise_file_limit() - _SPARE)
    return [
        Row(
            name=name,
            what=f"{count} idle connections in rooms of {min(size, count)}",
            unit="bytes/connection",
            floor=None,
            hubbub=_bytes_each(count, size),
            target=Target("hubbub", at_most=1024) if name == "idle" else None,
        )
        for name, size in _LAYOUTS.items()
    ]


def _bytes_each(count: int, size: int) -> float:
    with serve() as cluster, ExitStack() as held:
        for one in upgrade(cluster.port, ["/rooms/warm"] * min(count, _WARM)):
            one.close()
        settle(cluster.cpu_seconds)
        before = cluster.private_bytes()
        paths = [f"/rooms/idle{number // size}" for number in range(count)]
        for one in upgrade(cluster.port, paths):
            held.enter_context(one)
        settle(cluster.cpu_seconds)
        return (cluster.private_bytes() - before) / count
