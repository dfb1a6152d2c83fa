"""The conformance suite: every case of Autobahn's groups against `/echo`.

`make conformance` runs it; `--groups` chooses among the suite's groups. It ends with a
table and a line of counts; the exit code is 1 if any case failed, was without its close
frame (see `verdict`) or was not run at all. Without a Python 2.7 it says so and passes,
in CI it fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.python2 import find_python2, install_suite
from tests.conformance.verdict import CASES, Verdict, judge, missing_cases
from tests.e2e.conftest import Cluster

FOLDER = Path(__file__).parents[2] / ".conformance"
REPORTS = FOLDER / "reports"
LOG = FOLDER / "wstest.log"
AGENT = "hubbub"
GROUPS = (1, 2, 3, 4, 5, 6, 7, 10)
PATIENCE = 300.0
"""Seconds for all cases; groups 1-7 and 10 take 10."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--groups", type=int, nargs="+", choices=CASES, default=GROUPS, metavar="N"
    )
    groups: Sequence[int] = parser.parse_args().groups
    python2 = find_python2()
    if python2 is None:
        return without_python2()
    try:
        wstest = install_suite(FOLDER, python2)
        with tempfile.TemporaryDirectory() as folder:
            verdicts = run_suite(wstest, groups, Path(folder))
    except subprocess.CalledProcessError as failed:
        print(failed.stdout, f"conformance: {failed}", sep="\n", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as late:
        print(f"conformance: {late}; see {LOG}", file=sys.stderr)
        return 1
    return report(verdicts, groups)


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


def run_suite(wstest: Path, groups: Sequence[int], folder: Path) -> list[Verdict]:
    """Run the cases of `groups` against a cluster of their own."""
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
                    "cases": [f"{group}.*" for group in groups],
                    "exclude-cases": [],
                    "exclude-agent-cases": {},
                }
            )
        )
        with LOG.open("w") as log:
            subprocess.run(
                [wstest, "--mode", "fuzzingclient", "--spec", spec],
                stdout=log,
                stderr=log,
                timeout=PATIENCE,
                check=True,
            )
    finally:
        cluster.end()
    index = json.loads((REPORTS / "index.json").read_text()).get(AGENT, {})
    files = [REPORTS / entry["reportfile"] for entry in index.values()]
    verdicts = [judge(json.loads(file.read_bytes())) for file in files]
    return sorted(verdicts, key=lambda v: [int(part) for part in v.case.split(".")])


def report(verdicts: Sequence[Verdict], groups: Sequence[int]) -> int:
    """Print what came of the cases; return the exit code for that."""
    print("group  cases  server fails  informational  failed  without close frame")
    for group in sorted(groups):
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
    missing = missing_cases(verdicts, groups)
    for group, count in missing.items():
        print(f"group {group}: {count} cases were not run; see {LOG}")
    if bad:
        print(f"open {REPORTS / 'index.html'} for what was on the wire")
    print(
        f"conformance: {len(verdicts)} cases,"
        f" {sum(v.failure is not None for v in verdicts)} failed,"
        f" {sum(v.close is not None for v in verdicts)} without their close frame"
        + (f", {sum(missing.values())} not run" if missing else "")
    )
    return 1 if bad or missing else 0


if __name__ == "__main__":
    sys.exit(main())
