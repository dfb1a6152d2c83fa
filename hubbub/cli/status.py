"""`hubbub status`: how a running cluster is."""

import json

import click

from . import options
from .cluster import ask, find
from .table import status_lines


@click.command("status")
@options.run_dir
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def command(run_dir: str | None, as_json: bool) -> None:
    """Print how a running cluster and its workers are."""
    status = ask(find(run_dir), {"type": "status"})
    if as_json:
        click.echo(json.dumps(status, indent=2))
    else:
        click.echo("\n".join(status_lines(status)))
