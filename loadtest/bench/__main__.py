"""`python -m hubbub.loadtest.bench`: figures of the server, beside floors and peers.

Each figure is taken with the server on one CPU and the generator on another, in turns
with a loop that only calls send(); then the same load is put on what one might use
instead. Ratios compare between machines, figures do not.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hubbub.loadtest.bench import machine, table
from hubbub.loadtest.bench.figures import (
    connects,
    generator,
    idle,
    mesh,
    pingpong,
    room,
    rooms,
    saturated,
)
from hubbub.loadtest.bench.peers import compare
from hubbub.loadtest.bench.peers import table as peers_table
from hubbub.loadtest.bench.peers.catalogue import PEERS
from hubbub.loadtest.bench.peers.turns import HUBBUB
from hubbub.loadtest.bench.row import Invalid, Options, Row

FIGURES: dict[str, Callable[[Options], list[Row]]] = {
    "room": room.measure,
    "saturated": saturated.measure,
    "rooms": rooms.measure,
    "pingpong": pingpong.measure,
    "idle": idle.measure,
    "connects": connects.measure,
    "mesh": mesh.measure,
    "generator": generator.measure,
}
"""What `--only` knows, in the order of the table."""
_INSTALLED = Path(".bench/peers")
"""Where peers are installed; `make clean` throws it away."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    options: Options
    figures: list[str]
    peers: list[str]
    path: Path
    """Where the JSON goes."""


def parse(arguments: Sequence[str]) -> Request:
    """Return what the command line asks for.

    Raises:
        SystemExit: 2, an option or a name is wrong.
    """
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        metavar="NAMES",
        help=f"some of {', '.join(FIGURES)}, with commas between; no peers then",
    )
    parser.add_argument(
        "--peers",
        metavar="NAMES",
        help=f"all, none, or some of {', '.join(PEERS)}; no figures then, but "
        "those of --only",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=defaults.seconds,
        help="length of a round (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=defaults.rounds,
        help="rounds of each side (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=defaults.scale,
        help="factor on members, rooms and connections; targets hold for 1",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=Path(".bench/bench.json"),
        metavar="FILE",
        help="where the result is written as JSON (default: %(default)s)",
    )
    given = parser.parse_args(arguments)
    only_figures = given.only is not None and given.peers is None
    only_peers = given.only is None and given.peers not in (None, "none")
    try:
        figures = [] if only_peers else _some(given.only, FIGURES)
        no_peers = only_figures or given.peers == "none"
        peers = [] if no_peers else _some(given.peers, PEERS)
    except ValueError as error:
        parser.error(str(error))
    if not (given.seconds > 0 and given.rounds > 0 and 0 < given.scale <= 1):
        parser.error("seconds and rounds are above 0, the scale is so and at most 1")
    options = Options(given.seconds, given.rounds, given.scale)
    return Request(options, figures, peers, given.json)


def _some(given: str | None, known: Iterable[str]) -> list[str]:
    """Return the names in `given`, or all there are.

    Raises:
        ValueError: one is not known, or there is none.
    """
    if given in (None, "all"):
        return list(known)
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    if not names or not set(names) <= set(known):
        raise ValueError(f"{given!r} is not all, nor some of {', '.join(known)}")
    return names


def run(
    figures: Mapping[str, Callable[[Options], list[Row]]], options: Options
) -> tuple[list[Row], dict[str, str]]:
    """Take figures one after the other; return their rows, and why some have none."""
    rows: list[Row] = []
    failures: dict[str, str] = {}
    for name, measure in figures.items():
        before = machine.usage()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        try:
            taken = measure(options)
        except (Invalid, OSError) as error:
            # A worker that is gone, a reset, the file limit: none is a figure.
            failures[name] = str(error)
            taken = []
        after = machine.usage()
        others = after.others_since(before)
        for row in taken:
            target = row.target if options.scale == 1 else None
            rows.append(replace(row, target=target, others=others))
        print(f"{after.wall - before.wall:.0f} s", file=sys.stderr)
    return rows, failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the JSON.

    Returns:
        The exit code: 0 all runs were valid (targets may be missed), 1 one was not.
    """
    asked = parse(sys.argv[1:] if arguments is None else arguments)
    machine.raise_file_limit()
    where = machine.describe()
    machine.pin(machine.GENERATING)
    figures = {name: FIGURES[name] for name in asked.figures}
    rows, failures = run(figures, asked.options)
    print(table.render(where, rows, failures), flush=True)
    peers: list[dict[str, object]] = []
    if asked.peers:
        compared = _compare(asked)
        peers = peers_table.as_dicts(compared)
        for turn, why in compare.find(compared, HUBBUB).faults.items():
            failures[f"{HUBBUB}, {turn}"] = why
    asked.path.parent.mkdir(parents=True, exist_ok=True)
    asked.path.write_text(table.as_json(where, rows, failures, peers) + "\n")
    return 1 if failures else 0


def _compare(asked: Request) -> list[compare.Compared]:
    """Compare with peers, and print the table."""
    before = machine.usage()
    compared = compare.compare(
        [PEERS[name] for name in asked.peers], asked.options, _INSTALLED
    )
    after = machine.usage()
    others = after.others_since(before)
    print("\n" + peers_table.render(compared, after.wall - before.wall, others))
    return compared


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
