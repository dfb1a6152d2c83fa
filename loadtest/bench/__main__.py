"""`python -m hubbub.loadtest.bench`: figures of the server beside their floors.

Each figure is taken with the server on one CPU and the generator on another, in turns
with a loop that only calls send(). Ratios compare between machines, figures do not.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hubbub.loadtest.bench import machine, table
from hubbub.loadtest.bench.figures import (
    connects,
    idle,
    mesh,
    pingpong,
    room,
    rooms,
    saturated,
)
from hubbub.loadtest.bench.row import Invalid, Options, Row

FIGURES: dict[str, Callable[[Options], list[Row]]] = {
    "room": room.measure,
    "saturated": saturated.measure,
    "rooms": rooms.measure,
    "pingpong": pingpong.measure,
    "idle": idle.measure,
    "connects": connects.measure,
    "mesh": mesh.measure,
}
"""What `--only` knows, in the order of the table."""


def parse(arguments: Sequence[str]) -> tuple[Options, list[str], Path]:
    """Return how to measure, which figures, and where the JSON goes.

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
        default=",".join(FIGURES),
        metavar="NAMES",
        help=f"some of {', '.join(FIGURES)}, with commas between",
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
    names = [name.strip() for name in given.only.split(",") if name.strip()]
    unknown = [name for name in names if name not in FIGURES]
    if unknown or not names:
        parser.error(f"--only takes some of {', '.join(FIGURES)}")
    if not (given.seconds > 0 and given.rounds > 0 and 0 < given.scale <= 1):
        parser.error("seconds and rounds are above 0, the scale is so and at most 1")
    return Options(given.seconds, given.rounds, given.scale), names, given.json


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
    options, names, path = parse(sys.argv[1:] if arguments is None else arguments)
    machine.raise_file_limit()
    where = machine.describe()
    machine.pin(machine.GENERATING)
    rows, failures = run({name: FIGURES[name] for name in names}, options)
    print(table.render(where, rows, failures))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table.as_json(where, rows, failures) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
