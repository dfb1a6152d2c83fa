"""Put the layers together: defaults < hubbub.toml < environment < flags.

Each layer becomes a list of `Given` (where, which key, what value); one loop
converts and checks them in order, so that a later layer wins and every error
knows its place.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubbub.escape import plain, quoted
from hubbub.settings import Settings

from . import document, relation
from .problem import ConfigError, UsageProblem
from .table import ENTRIES, GROUPS, VARIABLES, Value, build, nearest
from .value import from_text, from_toml

FILE = "hubbub.toml"
"""The file that is read when it is there and no other is named."""

NOT_SETTINGS = frozenset({"HUBBUB_CONFIG", "HUBBUB_URL"})
"""Variables that mean something to Hubbub without being a setting."""

MOST_WORKERS = int(ENTRIES["workers"].high)


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave."""

    source: str
    """Where: "hubbub.toml:12", "HUBBUB_PORT", "--port"."""
    key: str
    """Dotted name, known or not."""
    value: object
    """As it was given."""
    typed: bool = False
    """Whether the value is TOML's (a number is a number) rather than text."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings and where each came from."""

    settings: Settings
    """The settings, complete and checked; `workers` is never 0."""
    sources: Mapping[str, str]
    """"default", "hubbub.toml:12", "HUBBUB_PORT" or "--port", by key."""


def load(
    flags: Sequence[Given] = (),
    *,
    config: str | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Loaded:
    """Load the settings of a cluster.

    Args:
        flags: What flags give, in order; see `from_assignment` for `--set`.
        config: A file that must be there; else HUBBUB_CONFIG names one, else
            `hubbub.toml` of the directory is read if it is there.
        environ: The environment; the process's own if None.
        directory: Where relative file names start; the current one if None.

    Raises:
        ConfigError: A value, a key or a relation does not fit, in one sentence.
    """
    variables = os.environ if environ is None else environ
    values: dict[str, Value] = {key: one.default for key, one in ENTRIES.items()}
    sources = dict.fromkeys(ENTRIES, "default")
    layers = (
        _from_file(config, variables, directory or Path()),
        _from_environment(variables),
    )
    for layer in layers:
        for given in layer:
            values[given.key] = _converted(given, ConfigError)
            sources[given.key] = given.source
    for given in flags:
        values[given.key] = _converted(given, UsageProblem)
        sources[given.key] = given.source
    if values["workers"] == 0:
        values["workers"] = min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    if str(values["run_dir"]).startswith("~"):
        values["run_dir"] = str(Path(str(values["run_dir"])).expanduser())
    settings = build(values)
    relation.check(settings, sources)
    relation.check_kernel(settings, sources)
    return Loaded(settings, sources)


def from_assignment(text: str, source: str = "--set") -> Given:
    """Read the `key=value` of a `--set`.

    Raises:
        UsageProblem: There is no `=` in it.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageProblem(source, f"needs key=value, not {quoted(text)}")
    return Given(source, key.strip(), value)


def _from_file(
    config: str | None, environ: Mapping[str, str], directory: Path
) -> Iterable[Given]:
    named = config or environ.get("HUBBUB_CONFIG")
    path = directory / (named or FILE)
    # lexists: a dangling link is somebody's mistake, not an absent file.
    if not named and not os.path.lexists(path):
        return []
    name = plain(named or FILE)
    return [
        Given(f"{name}:{one.line}", one.key, one.value, typed=True)
        for one in document.read(path, name)
    ]


def _from_environment(environ: Mapping[str, str]) -> Iterable[Given]:
    for name in sorted(environ):
        if not name.startswith("HUBBUB_") or name in NOT_SETTINGS:
            continue
        if name not in VARIABLES:
            near = nearest(name.removeprefix("HUBBUB_").lower(), list(ENTRIES))
            hint = f"; did you mean {ENTRIES[near].variable}?" if near else ""
            raise ConfigError(plain(name), f"there is no such setting{hint}")
        yield Given(name, VARIABLES[name].key, environ[name])


def _converted(given: Given, error: type[ConfigError]) -> Value:
    entry = ENTRIES.get(given.key)
    if entry is None:
        raise error(given.source, _unknown(given))
    try:
        if given.typed:
            return from_toml(entry, given.value)
        return from_text(entry, str(given.value))
    except ValueError as problem:
        raise error(given.source, f"{given.key} {problem}") from None


def _unknown(given: Given) -> str:
    if given.key in GROUPS:
        return f"{given.key} is a section of settings, not a setting"
    is_section = isinstance(given.value, dict)
    near = nearest(given.key, list(GROUPS if is_section else ENTRIES))
    hint = f"; did you mean {near}?" if near else ""
    what = "section" if is_section else "setting"
    return f"there is no {what} {quoted(given.key)}{hint}"
