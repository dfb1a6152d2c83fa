"""`hubbub fault`: break a worker on purpose, to see what happens."""

import click

from hubbub.config.table import Entry, Kind
from hubbub.config.value import from_text
from hubbub.supervisor.fault import FAULTS, LARGEST_BYTES, LARGEST_OFFSET

from . import options
from .cluster import ask, find

_SECONDS = Entry("seconds", Kind.DURATION, 10.0, "", "seconds", 0.001, 3600)
_CODE = Entry("code", Kind.COUNT, 1, "", "", 0, 255)
_BYTES = Entry("bytes", Kind.SIZE, 1, "", "bytes", 1, LARGEST_BYTES)
_OFFSET = Entry("offset", Kind.SIZE, 1, "", "bytes", 1, LARGEST_OFFSET)


@click.command("fault")
@click.argument("slot", type=click.IntRange(min=0))
@click.argument("fault", type=click.Choice(FAULTS))
@click.argument("value", required=False)
@options.run_dir
def command(slot: int, fault: str, value: str | None, run_dir: str | None) -> None:
    """Break the worker of SLOT.

    \b
    block 10s           sleep: no heartbeat, no work
    spin 10s            the same, with the interpreter busy
    raise               a bug
    exit 1              end with this exit code
    leak 20MB/s         hold more and more memory
    balloon 1GB         hold so much memory at once
    truncate-bus 1000   write that many bytes of a large frame to every
                        other worker (default: half of it), then SIGKILL

    The cluster must have been started with --faults.
    """
    request: dict[str, object] = {"type": "fault", "slot": slot, "fault": fault}
    try:
        if fault in ("block", "spin"):
            request["seconds"] = from_text(_SECONDS, value or "10s")
        elif fault == "exit":
            request["code"] = from_text(_CODE, value or "1")
        elif fault == "leak":
            rate = value or "20MB/s"
            if not rate.endswith("/s"):
                raise ValueError(f"needs bytes a second, such as 20MB/s, not {rate}")
            request["bytes"] = from_text(_BYTES, rate.removesuffix("/s"))
        elif fault == "balloon":
            request["bytes"] = from_text(_BYTES, value or "1GB")
        elif fault == "truncate-bus":
            if value is not None:
                request["offset"] = from_text(_OFFSET, value)
        elif value is not None:
            raise ValueError("takes no value")
    except ValueError as error:
        raise click.UsageError(f"{fault} {error}") from None
    ask(find(run_dir), request)
    click.echo(f"told the worker of slot {slot}: {fault}")
