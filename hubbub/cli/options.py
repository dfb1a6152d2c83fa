"""Options that several subcommands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hubbub.config import Given, Loaded, load
from hubbub.config.load import from_assignment
from hubbub.people.place import DEFAULT, Place, parse_place

from .cluster import public_url

Function = TypeVar("Function", bound=Callable[..., Any])

_FLAGS = ("host", "port", "workers", "run_dir", "echo", "identify", "faults")

run_dir = click.option(
    "--run-dir",
    envvar="HUBBUB_RUN_DIR",
    metavar="DIR",
    help="Run directory of the cluster; default: the most recent live one of yours.",
)
"""`--run-dir` of the subcommands that talk to a running cluster."""


def settings(function: Function) -> Function:
    """Add the options that give settings; `loaded` turns them into `Loaded`."""
    options = (
        click.option("--host", metavar="ADDRESS", help="Address to listen on."),
        click.option("--port", metavar="N", help="Port to listen on; 0: any free one."),
        click.option("--workers", metavar="N", help="Workers; 0: one a CPU."),
        click.option("--run-dir", metavar="DIR", help="Run directory."),
        click.option("--config", metavar="FILE", help="Settings; else hubbub.toml."),
        click.option(
            "--origin",
            multiple=True,
            metavar="ORIGIN",
            help="Admit pages of this origin only (repeatable).",
        ),
        click.option("--echo", flag_value="true", help="Serve /echo."),
        click.option(
            "--identify", flag_value="true", help="Tell clients their worker."
        ),
        click.option("--faults", flag_value="true", help="Allow `hubbub fault`."),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Any setting, such as limits.message=128KiB (repeatable).",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def loaded(
    config: str | None,
    origin: tuple[str, ...],
    assignments: tuple[str, ...],
    **flags: str | None,
) -> Loaded:
    """Load the settings with what the options of `settings` gave.

    Raises:
        ConfigError: They do not fit.
    """
    given = [from_assignment(one) for one in assignments]
    given += [
        Given("--" + key.replace("_", "-"), key, flags[key])
        for key in _FLAGS
        if flags[key] is not None
    ]
    if origin:
        given.append(Given("--origin", "origins", list(origin), typed=True))
    return load(given, config=config)


url = click.option(
    "--url",
    envvar="HUBBUB_URL",
    metavar="URL",
    help="The server, such as ws://host:8080; default: your live cluster.",
)
"""`--url` of the clients."""


def place(url: str | None, run_dir: str | None) -> Place:
    """Return the server that a client shall connect to.

    It is the URL, else the cluster of the run directory, else the most recent live
    cluster of this user, else where `hubbub serve` listens by default.
    """
    try:
        return parse_place(url or public_url(run_dir) or DEFAULT)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None
