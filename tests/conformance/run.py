"""The conformance suite: Autobahn's cases against `/echo`.

`make conformance-all` runs all 517 cases in some ten minutes, `make conformance` a
choice of 349 in 80 s (see `selection`); `--groups` takes whole groups of the suite. It
ends with a table and a line of counts; the exit code is 1 if any case failed, was
without its close frame (see `verdict`) or was not run at all. Without a Python 2.7 it
says so and passes, in CI it fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.python2 import find_python2, install_suite
from tests.conformance.selection import CASES, Selection, missing, select
from tests.conformance.verdict import Verdict, judge
from tests.e2e.conftest import Cluster

FOLDER = Path(__file__).parents[2] / ".conformance"
REPORTS = FOLDER / "reports"
LOG = FOLDER / "wstest.log"
AGENT = "hubbub"
PATIENCE = 600.0
"""Seconds for one case; the suite's own longest limit is 480."""
PROGRESS = 15.0
"""Seconds between two lines that say how far the suite is."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--all", action="store_true", help="all 517 cases")
    choice.add_argument(
        "--groups", type=int, nargs="+", choices=CASES, metavar="N", help="whole groups"
    )
    chosen = parser.parse_args()
    selection = select(chosen.groups or CASES, not (chosen.all or chosen.groups))
    python2 = find_python2()
    if python2 is None:
        return without_python2()
    try:
        wstest = install_suite(FOLDER, python2)
        with tempfile.TemporaryDirectory() as folder:
            verdicts = run_suite(wstest, selection, Path(folder))
    except subprocess.CalledProcessError as failed:
        print(failed.stdout, f"conformance: {failed}", sep="\n", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as late:
        print(f"conformance: {late}; see {LOG}", file=sys.stderr)
        return 1
    return report(verdicts, selection)


def without_python2() -> int:
    """Say that nothing was checked; return the exit code for that."""
    in_ci = bool(os.environ.get("CI"))
    print(
        "*** conformance: NOT CHECKED: no Python 2.7 here, the Autobahn suite runs on",
        "*** no other. `pyenv install 2.7.18` gets one, PYTHON27=... names one.",
        sep="\n",
        file=sys.stderr,
    )
    return 1 if in_ci else 0


def run_suite(wstest: Path, selection: Selection, folder: Path) -> list[Verdict]:
    """Run the cases of `selection` against a cluster of their own."""
    for old in REPORTS.glob("*"):
        old.unlink()
    cluster = Cluster(folder)
    try:
        cluster.start("--echo", "--workers", "2")
        spec = folder / "spec.json"
        spec.write_text(
            json.dumps(
                {
                    "outdir": str(REPORTS),
                    "servers": [{"agent": AGENT, "url": cluster.url("/echo")}],
                    "cases": selection.patterns,
                    "exclude-cases": [],
                    "exclude-agent-cases": {},
                }
            )
        )
        watch_suite(wstest, spec, sum(selection.counts.values()))
    finally:
        cluster.end()
    index = json.loads((REPORTS / "index.json").read_text()).get(AGENT, {})
    files = [REPORTS / entry["reportfile"] for entry in index.values()]
    verdicts = [judge(json.loads(file.read_bytes())) for file in files]
    return sorted(verdicts, key=lambda v: [int(part) for part in v.case.split(".")])


def watch_suite(wstest: Path, spec: Path, cases: int) -> None:
    """Run the suite to its end, and say from time to time how far it is."""
    command = [wstest, "--mode", "fuzzingclient", "--spec", spec]
    begun = moved = time.monotonic()
    at = 0
    with LOG.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as run:
        try:
            while run.poll() is None:
                try:
                    run.wait(PROGRESS)
                except subprocess.TimeoutExpired:
                    now, before = time.monotonic(), at
                    at = LOG.read_text().count("Running test case")
                    print(f"{now - begun:4.0f} s: case {at} of {cases}", flush=True)
                    if at > before:
                        moved = now
                    elif now > moved + PATIENCE:
                        raise subprocess.TimeoutExpired(command, PATIENCE) from None
        finally:
            run.kill()
    if run.returncode:
        raise subprocess.CalledProcessError(run.returncode, command, LOG.read_text())


def report(verdicts: Sequence[Verdict], selection: Selection) -> int:
    """Print what came of the cases; return the exit code for that."""
    print("group  cases  server fails  informational  failed  without close frame")
    for group in selection.counts:
        of = [v for v in verdicts if v.group == group]
        print(
            f"{group:>5}  {len(of):>5}  {sum(v.fails_connection for v in of):>12}"
            f"  {sum(v.informational for v in of):>13}"
            f"  {sum(v.failure is not None for v in of):>6}"
            f"  {sum(v.close is not None for v in of):>19}"
        )
    bad = [v for v in verdicts if v.failure or v.close]
    for v in bad:
        print(f"case {v.case}: {'; '.join(filter(None, (v.failure, v.close)))}")
    lost = missing(selection.counts, Counter(v.group for v in verdicts))
    for group, count in lost.items():
        print(f"group {group}: {count} cases were not run; see {LOG}")
    if bad:
        print(f"open {REPORTS / 'index.html'} for what was on the wire")
    print(
        f"conformance: {len(verdicts)} cases,"
        f" {sum(v.failure is not None for v in verdicts)} failed,"
        f" {sum(v.close is not None for v in verdicts)} without their close frame"
        + (f", {sum(lost.values())} not run" if lost else "")
    )
    return 1 if bad or lost else 0


if __name__ == "__main__":
    sys.exit(main())
