"""`hubbub fault`: break a worker on purpose, to see what happens."""

import click

from hubbub.config.table import Entry, Kind
from hubbub.config.value import from_text

from . import options
from .cluster import ask, find

_BLOCK = Entry("block", Kind.DURATION, 10.0, "", "seconds", 0.001, 3600)
_EXIT = Entry("exit", Kind.COUNT, 1, "", "", 0, 255)


@click.command("fault")
@click.argument("slot", type=click.IntRange(min=0))
@click.argument("fault", type=click.Choice(["block", "raise", "exit"]))
@click.argument("value", required=False)
@options.run_dir
def command(slot: int, fault: str, value: str | None, run_dir: str | None) -> None:
    """Break the worker of SLOT: `block 10s`, `raise`, or `exit 1`.

    The cluster must have been started with --faults.
    """
    request: dict[str, object] = {"type": "fault", "slot": slot, "fault": fault}
    try:
        if fault == "block":
            request["seconds"] = from_text(_BLOCK, value or "10s")
        elif fault == "exit":
            request["code"] = from_text(_EXIT, value or "1")
        elif value is not None:
            raise ValueError("takes no value")
    except ValueError as error:
        raise click.UsageError(f"{fault} {error}") from None
    ask(find(run_dir), request)
    click.echo(f"told the worker of slot {slot}: {fault}")
