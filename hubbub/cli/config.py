"""`hubbub config`: the settings in force and where each came from."""

import json

import click

from hubbub.config import Loaded
from hubbub.config.table import ENTRIES, flatten
from hubbub.config.value import to_toml
from hubbub.escape import plain

from . import options


@click.command("config")
@options.settings
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool, **flags: object) -> None:
    """Print the settings in force, and where each came from.

    Takes the options of `hubbub serve` and starts nothing. The output is a
    hubbub.toml that gives the same settings.
    """
    found = options.loaded(**flags)  # type: ignore[arg-type]
    click.echo(as_objects(found) if as_json else as_toml(found))


def as_toml(found: Loaded) -> str:
    """Write settings as TOML, one a line, with unit and source in a comment."""
    lines = []
    for key, value in flatten(found.settings).items():
        entry = ENTRIES[key]
        notes = (plain(found.sources[key]), entry.unit, entry.doc)
        comment = "; ".join(note for note in notes if note)
        lines.append(f"{f'{key} = {to_toml(value)}':<36}  # {comment}")
    return "\n".join(lines)


def as_objects(found: Loaded) -> str:
    """Write settings as a JSON object: key to value, unit, source and doc."""
    return json.dumps(
        {
            key: {
                "value": value,
                "unit": ENTRIES[key].unit,
                "source": found.sources[key],
                "doc": ENTRIES[key].doc,
            }
            for key, value in flatten(found.settings).items()
        },
        indent=2,
    )
