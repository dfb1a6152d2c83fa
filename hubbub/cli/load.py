"""`hubbub load`: simulate thousands of people, and judge what they got."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hubbub.codes import Exit
from hubbub.config import ConfigError, UsageProblem
from hubbub.config.table import Entry, Kind
from hubbub.config.value import from_text
from hubbub.people.problem import Problem, Refused

if TYPE_CHECKING:
    from hubbub.loadtest.plan import Given, Plan
    from hubbub.loadtest.results import Results
    from hubbub.loadtest.scenarios.scenario import Scenario
    from hubbub.loadtest.view.progress import View


class Quantity(click.ParamType):  # type: ignore[type-arg]  # older ones take none
    """A number with or without a unit, as settings take it."""

    def __init__(self, kind: Kind, unit: str, low: float, high: float) -> None:
        self.name = unit
        self._entry = Entry("", kind, 0, "", unit, low, high)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the number, in seconds or bytes."""
        try:
            return from_text(self._entry, str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


_SECONDS = Quantity(Kind.DURATION, "seconds", 0, 1e6)
_BYTES = Quantity(Kind.SIZE, "bytes", 1, 1 << 30)


@click.command("load")
@click.argument("url", required=False)
@click.option("--scenario", metavar="NAME", help="What the crowd does; see --list.")
@click.option("--clients", type=int, metavar="N", help="Simulated people.")
@click.option("--rooms", type=int, metavar="N", help="Rooms they are spread over.")
@click.option("--rate", type=float, metavar="N", help="Messages/s of each speaker.")
@click.option("--size", type=_BYTES, metavar="BYTES", help="Of a message.")
@click.option("--duration", type=_SECONDS, metavar="TIME", help="Of the load.")
@click.option("--ramp", type=_SECONDS, metavar="TIME", help="To connect everybody.")
@click.option("--processes", type=int, metavar="N", help="Of the load generator.")
@click.option("--canaries", type=int, metavar="N", help="Independent checkers.")
@click.option("--workers", type=int, metavar="N", help="Of a cluster of its own.")
@click.option("--seed", type=int, metavar="N", help="Of everything left to chance.")
@click.option("--pin", is_flag=True, default=None, help="Server, load: a CPU each.")
@click.option("--plan", "file", metavar="FILE", help="The same in TOML.")
@click.option(
    "--expect", multiple=True, metavar="EXPR", help="'p99<50ms' (repeatable)."
)
@click.option(
    "--json", "json_file", metavar="FILE", help="Write all results; -: stdout."
)
@click.option("--html", "html_file", metavar="FILE", help="Write a page with plots.")
@click.option("--compare", nargs=2, metavar="A B", help="Compare two --json files.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios.")
def command(
    url: str | None,
    file: str | None,
    expect: tuple[str, ...],
    json_file: str | None,
    html_file: str | None,
    compare: tuple[str, str] | None,
    listed: bool,
    **flags: Any,
) -> None:
    """Load a server with simulated people and give a verdict.

    Without URL it runs a cluster of its own, on a free port, and ends it
    afterwards. Every message is accounted for: one that is lost, doubled, out of
    order or in the wrong room is named. Exit code 1 if the verdict is "fail".
    """
    if listed:
        _list()
        return
    if compare:
        _compare(*compare)
        return
    from hubbub.loadtest import expect as expectations
    from hubbub.loadtest import plan as plans

    try:
        written = _read_plan(file) if file else plans.Given()
        given = plans.Given(url=url, expect=expect, **flags)
        scenario = _scenario(given.scenario or written.scenario or "chat")
        plan = plans.effective(scenario.defaults(), written, given)
        wanted = [expectations.parse(one) for one in plans.expectations(written, given)]
    except (plans.BadPlan, expectations.BadExpectation) as error:
        raise UsageProblem("", str(error)) from None
    for path in (json_file, html_file):
        _check_writable(path)
    results = _run(plan, scenario, quiet=json_file == "-")
    results = expectations.judge(results, wanted, scenario.allowed)
    _report(results, json_file, html_file)
    if results.verdict == "fail":
        raise click.exceptions.Exit(Exit.FAILED)


def _list() -> None:
    from hubbub.loadtest.scenarios.catalogue import SCENARIOS

    for name, scenario in SCENARIOS.items():
        click.echo(f"{name:<16} {scenario.summary()}")


def _compare(first: str, second: str) -> None:
    from hubbub.loadtest.report import compare
    from hubbub.loadtest.results import NotResults, from_json

    found = []
    for name in (first, second):
        try:
            found.append(from_json(Path(name).read_bytes()))
        except OSError as error:
            raise Problem(f"{name} cannot be read: {error.strerror}") from None
        except NotResults as error:
            raise Problem(f"{name} {error}") from None
    compare.show(found[0], found[1], sys.stdout, names=(first, second))


def _read_plan(name: str) -> "Given":
    from hubbub.loadtest import plan as plans

    try:
        return plans.from_toml(Path(name).read_text())
    except OSError as error:
        raise ConfigError("", f"{name} cannot be read: {error.strerror}") from None
    except (plans.BadPlan, UnicodeDecodeError) as error:
        raise plans.BadPlan(f"{name}: {error}") from None


def _scenario(name: str) -> "Scenario":
    from hubbub.loadtest.plan import BadPlan
    from hubbub.loadtest.scenarios.catalogue import SCENARIOS

    if name not in SCENARIOS:
        raise BadPlan(f"there is no scenario {name!r}; see --list")
    return SCENARIOS[name]()


def _check_writable(name: str | None) -> None:
    """Find out before a long run, not after it, that its report has no place."""
    if name in (None, "-"):
        return
    try:
        with Path(str(name)).open("ab"):
            pass
    except OSError as error:
        raise Refused(f"{name} cannot be written: {error.strerror}") from None


def _run(plan: "Plan", scenario: "Scenario", quiet: bool) -> "Results":
    from hubbub.loadtest.plan import to_toml
    from hubbub.loadtest.run import run

    if not quiet:
        click.echo("".join(f"# {line}\n" for line in to_toml(plan).splitlines()))
    return run(plan, scenario, _view(plan, quiet))


def _view(plan: "Plan", quiet: bool) -> "AbstractContextManager[View]":
    from hubbub.loadtest.view import open_view

    server = plan.url or "a cluster of its own"
    return open_view(
        f"{plan.scenario} on {server}", sys.stderr if quiet else sys.stdout
    )


def _report(results: "Results", json_file: str | None, html_file: str | None) -> None:
    from hubbub.loadtest.report import summary
    from hubbub.loadtest.results import to_json

    if json_file == "-":
        sys.stdout.buffer.write(to_json(results))
        sys.stdout.flush()
    else:
        _write(json_file, lambda: to_json(results))
        summary.show(results, sys.stdout)
    if html_file:
        from hubbub.loadtest.report import html

        _write(html_file, lambda: html.page(results))


def _write(name: str | None, make: Callable[[], bytes]) -> None:
    if name is None:
        return
    try:
        Path(name).write_bytes(make())
    except OSError as error:
        raise Problem(f"{name} cannot be written: {error.strerror}") from None
