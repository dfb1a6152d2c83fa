"""`hubbub stop`: drain a running cluster and stop it."""

import os
import select
from pathlib import Path

import click

from hubbub.people.problem import Problem

from . import options
from .cluster import ask, find
from .table import part


@click.command("stop")
@options.run_dir
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=45.0,
    show_default=True,
    help="Seconds to wait until it is gone.",
)
def command(run_dir: str | None, timeout: float) -> None:
    """Drain a running cluster, stop it, and wait until it is gone."""
    path = find(run_dir)
    pid = part(ask(path, {"type": "status"}), "cluster", "pid")
    if not isinstance(pid, int):
        raise Problem(f"the supervisor in {path} does not tell its pid")
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        click.echo("the cluster is gone")
        return
    try:
        gone = _stop(path, watch, timeout)
    finally:
        os.close(watch)
    if not gone:
        raise Problem(f"the cluster (pid {pid}) is still draining after {timeout:g} s")
    click.echo(f"the cluster (pid {pid}) is gone")


def _stop(path: Path, watch: int, timeout: float) -> bool:
    """Ask for the stop and wait for the end; tell whether it came in time.

    The pidfd was opened while the supervisor answered: it is this process and no
    later one of the same number.
    """
    try:
        ask(path, {"type": "stop"})
    except Problem:
        # It may have ended, by somebody else's order, before it could answer.
        if not select.select([watch], [], [], 1.0)[0]:
            raise
    return bool(select.select([watch], [], [], timeout)[0])
