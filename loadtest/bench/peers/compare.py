"""The comparison: who can be had, turns for all of them, and what came of it."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import hubbub
from hubbub.loadtest.bench.peers.contender import schedule
from hubbub.loadtest.bench.peers.install import Installed, Missing
from hubbub.loadtest.bench.peers.peer import Peer
from hubbub.loadtest.bench.peers.turns import FLOOR, HUBBUB, Child
from hubbub.loadtest.bench.row import Invalid, Late, Options

_ABOUT = {
    "arrive": ("connects", "connect", "idle", "rooms"),
    "rooms": ("rooms",),
    "leave rooms": ("rooms",),
    "enter": ("room", "saturated"),
    "room": ("room", "saturated"),
    "windows": ("saturated",),
    "saturated": ("saturated",),
    "leave room": ("room", "saturated"),
}
"""Figures, by how their names begin, that do not count if a turn fails."""


@dataclass(slots=True)
class Compared:
    """What is known of one of them."""

    name: str
    version: str = ""
    missing: str = ""
    """Why it could not be had; empty: it ran."""
    rounds: dict[str, list[float]] = field(default_factory=dict)
    """What each round gave, by figure."""
    faults: dict[str, str] = field(default_factory=dict)
    """What the server did wrong, by turn."""
    late: dict[str, str] = field(default_factory=dict)
    """Turns in which the generator was late: those rounds are not in `rounds`."""

    @property
    def figures(self) -> dict[str, float]:
        """Medians of the rounds; none that a fault is about."""
        return {
            name: median(values)
            for name, values in self.rounds.items()
            if not self.failed(name)
        }

    def failed(self, figure: str) -> bool:
        """Return whether a turn failed that `figure` is about."""
        start = figure.partition("_")[0]
        return any(start in _ABOUT[turn] for turn in self.faults)


def compare(peers: Sequence[Peer], options: Options, folder: Path) -> list[Compared]:
    """Measure Hubbub and `peers` side by side.

    Args:
        peers: some of PEERS; what is Missing may be any.
        options: sizes, rounds, and their length.
        folder: where peers are installed, each in a folder of its own.

    Returns:
        The floor, Hubbub, the peers; those that could not be had, too.
    """
    python = f"CPython {sys.version.split()[0]}"
    found: list[Compared] = [
        Compared(FLOOR, python),
        Compared(HUBBUB, f"{hubbub.__version__}, {python}"),
    ]
    installed = {FLOOR: Installed("", ""), HUBBUB: Installed("", "")}
    for peer in peers:
        try:
            got = installed[peer.name] = peer.install(folder.resolve() / peer.name)
            found.append(Compared(peer.name, got.version))
        except Missing as why:
            found.append(Compared(peer.name, missing=str(why)))
    with ExitStack() as held:
        children = {
            one.name: held.enter_context(Child(one.name, installed[one.name], options))
            for one in found
            if not one.missing
        }
        for turn in schedule(options.rounds):
            print(f"peers: {turn} ...", file=sys.stderr)
            for one in found:
                if one.name in children:
                    _give(turn, one, children[one.name])
    return found


def find(compared: Sequence[Compared], name: str) -> Compared:
    """Return the one of that name."""
    return next(one for one in compared if one.name == name)


def _give(turn: str, one: Compared, child: Child) -> None:
    try:
        figures = child.turn(turn)
    except Late as error:
        one.late[turn] = str(error)
        return
    except Invalid as error:
        one.faults.setdefault(turn, str(error))
        return
    for name, value in figures.items():
        one.rounds.setdefault(name, []).append(value)
