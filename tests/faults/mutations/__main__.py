"""The mutation check: switch off one protection at a time and see who notices.

`make mutations` applies each mutation of `table.py` to a copy of the repository, runs
the tests that it names there, and wants every one of them to turn red for the reason it
names. It prints a table and ends with 1 if a mutation survives, if its text no longer
matches the source, or if one of the tests is red without any mutation.
`make mutations ARGS="--only outbox"` takes those whose words match.
"""

import argparse
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.faults.mutations import trial
from tests.faults.mutations.mutation import Mutation, Stale
from tests.faults.mutations.table import MUTATIONS

LIMIT: Final = 75.0
"""Longest time of one mutation's tests, seconds."""
_LONGEST = 120
"""Characters of what a table shows of a failure."""
BASELINE: Final = 420.0
"""Longest time of all tests without a mutation, seconds."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="in the protection"
    )
    parser.add_argument("--list", action="store_true", help="name them, run nothing")
    parser.add_argument("--verbose", action="store_true", help="whole output of tests")
    asked = parser.parse_args()
    chosen = [one for one in MUTATIONS if re.search(asked.only, one.protection)]
    if asked.list or not chosen:
        print(*(one.protection for one in chosen), sep="\n")
        return not chosen
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    trial.become_subreaper()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hubbub-") as folder:
        bad = check(chosen, Path(folder), asked.verbose)
    took = time.monotonic() - begun
    print(f"\n{len(chosen) - bad} of {len(chosen)} mutations noticed, {took:.0f} s")
    return bool(bad)


def check(chosen: list[Mutation], folder: Path, verbose: bool) -> int:
    """Run the baseline and every mutation; return how many were not noticed."""
    clean = folder / "clean" / "tree"
    clean.parent.mkdir()
    trial.copy_tree(trial.ROOT, clean)
    python = trial.make_environment(clean)
    tests = [test for one in chosen for test in one.tests]
    baseline = trial.run(clean, python, tests, BASELINE)
    missing = sorted(set(tests) - baseline.green)
    print(f"without a mutation: {len(baseline.green)} passed, {baseline.seconds:.0f} s")
    for test in missing:
        print(f"  NOT GREEN: {test}", *baseline.red.get(test, []), sep="\n    ")
    if missing and (verbose or not baseline.red):
        print(baseline.output)
    rows, bad = [], 0
    for mutation in chosen:
        row, why = attempt(mutation, clean, folder / "mutant", set(missing), verbose)
        rows.append(row)
        bad += bool(why)
        print(row, *why, sep="\n  ", flush=True)
    print("\n| protection | in | turned red | how it shows |\n|---|---|---|---|")
    print(*rows, sep="\n")
    return bad


def attempt(
    mutation: Mutation, clean: Path, folder: Path, missing: set[str], verbose: bool
) -> tuple[str, list[str]]:
    """Switch off one protection; return its row, and what is wrong with the check."""
    folder.mkdir()
    root = folder / "tree"
    try:
        shutil.copytree(clean, root, symlinks=True)
        try:
            mutation.apply(root)
        except Stale as stale:
            return row_of(mutation, "STALE"), [str(stale)]
        for file, _, _ in mutation.edits:
            trial.forget_compiled(root, file)
        python = trial.make_environment(root)
        outcome = trial.run(root, python, mutation.tests, LIMIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    shown, why = "", []
    for test in mutation.tests:
        lines = outcome.red.get(test, [])
        telling = [
            _shortened(line, found)
            for line in lines
            if (found := re.search(mutation.shows, line))
        ]
        if test in missing:
            why.append(f"RED WITHOUT THE MUTATION: {test}")
        elif not outcome.ended:
            why.append(f"NO END within {LIMIT:.0f} s: {test}")
        elif test in outcome.green:
            why.append(f"SURVIVED: {test}")
        elif not telling:
            why += [f"RED FOR ANOTHER REASON: {test}", *lines[:20]]
        shown = shown or next(iter(telling), "")
    if verbose:
        print(outcome.output)
    print(f"{outcome.seconds:5.1f} s  ", end="")
    return row_of(mutation, shown), why


def _shortened(line: str, found: re.Match[str]) -> str:
    """Return a line, or what was looked for in it where it is long."""
    if len(line) <= _LONGEST:
        return line
    place, arrow, _ = line.partition(" → ")
    if found.start() <= len(place) or len(place) > _LONGEST // 2:
        arrow = place = ""
    return f"{place}{arrow}… {found[0]:.{_LONGEST}} …"


def row_of(mutation: Mutation, shown: str) -> str:
    """Return a row of the table."""
    names = ", ".join(name_of(mutation.tests))
    shown = re.sub(r"([|`*<])", r"\\\1", shown)
    return f"| {mutation.protection} | `{mutation.file}` | {names} | {shown} |"


def name_of(tests: Iterable[str]) -> list[str]:
    """Return what a table calls tests: a scenario by its number, others by name."""
    found = []
    for test in tests:
        name = test.rpartition("::")[2]
        scenario = re.match(r"test_s(\d+)_", name)
        short = test.removeprefix("tests/").partition("::")[0]
        found.append(f"S{scenario[1]}" if scenario else f"`{short}`: {name}")
    return found


if __name__ == "__main__":
    sys.exit(main())
