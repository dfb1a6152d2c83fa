"""Between workers that run nothing is lost, doubled or reordered in silence.

Whatever happens to links: a hole in what a worker hears is told, exactly there and
with its exact size. Links are cut for being over their limit; the supervisor hands
out new pairs at any time, to one end earlier than to the other.
"""

from collections import deque
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import World

SLOTS = 3
PAIRS = [(0, 1), (0, 2), (1, 2)]

SLOT = st.integers(0, SLOTS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), SLOT, st.integers(1, 12)),
        st.tuples(st.just("say much"), SLOT, st.integers(5, 25)),
        st.tuples(st.just("tick"), SLOT, st.just(0)),
        st.tuples(st.just("flush"), SLOT, st.just(0)),
        st.tuples(st.just("pair"), st.integers(0, len(PAIRS) - 1), st.just(0)),
        st.tuples(st.just("hand out"), SLOT, st.just(0)),
    ),
    max_size=60,
)


class Cluster:
    """Three workers, the pairs on their way to them, and what they have heard."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.workers = [world.start(slot) for slot in range(SLOTS)]
        for worker in self.workers:
            worker.want("0", "1", "2")
        self.said = [0] * SLOTS
        self.next = {(a, b): 0 for a in range(SLOTS) for b in range(SLOTS) if a != b}
        """Number of the next message of author b that a should hear."""
        self.due: list[deque[tuple[int, int]]] = [deque() for _ in self.workers]
        """(slot, fd): links that a worker has not been handed yet."""

    def do(self, step: str, which: int, count: int) -> None:
        if step == "say":
            self.say(which, count)
        elif step == "say much":
            self.say(which, count, "." * 4000)
        elif step == "tick":
            self.workers[which].tick()
            self.listen(which)
        elif step == "flush":
            self.workers[which].mesh.flush()
        elif step == "pair":
            self.pair(*PAIRS[which])
        elif self.due[which]:
            slot, fd = self.due[which].popleft()
            self.workers[which].mesh.connect(slot, 1, fd)

    def say(self, slot: int, count: int, filling: str = "") -> None:
        for _ in range(count):
            # Each author has a room of its own: gaps are told by room.
            self.workers[slot].say(f"{self.said[slot]} {filling}", str(slot))
            self.said[slot] += 1

    def pair(self, a: int, b: int) -> None:
        one, other = self.world.pair()
        self.due[a].append((b, one))
        self.due[b].append((a, other))

    def listen(self, slot: int) -> None:
        """Compare what a worker has heard with what was said."""
        worker = self.workers[slot]
        gaps = [after - before for before, after in pairwise(worker.gaps)]
        for room, text in worker.hub.heard:
            if text == "GAP":
                self.next[slot, int(room)] += gaps.pop(0)
            else:
                assert int(text.split()[0]) == self.next[slot, int(room)]
                self.next[slot, int(room)] += 1
        worker.hub.heard.clear()
        del worker.gaps[:-1]

    def finish(self) -> None:
        """Give everything time to arrive, and a new link where one was cut again."""
        for _ in range(3):
            for pair in PAIRS:
                self.pair(*pair)
            for slot, due in enumerate(self.due):
                while due:
                    self.do("hand out", slot, 0)
            self.world.settle()
            for slot in range(SLOTS):
                self.listen(slot)


@settings(deadline=None, max_examples=100)
@given(steps=STEPS)
def test_every_hole_is_told_where_it_is(steps: list[tuple[str, int, int]]) -> None:
    world = World(SLOTS)
    try:
        cluster = Cluster(world)
        for step in steps:
            cluster.do(*step)
        cluster.finish()
        for (_, author), number in cluster.next.items():
            assert number == cluster.said[author]
    finally:
        world.end()
