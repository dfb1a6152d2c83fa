"""The plan of a load test: what is asked for, from a TOML file and flags. Pure.

Names in the file are those of the flags. A flag has the last word, then the file, then
the scenario's own numbers, then the defaults here; what comes of it is the effective
plan, which is printed and stored with the results.
"""

from typing import Any, Final

import msgspec

from hubbub.loadtest.message import SMALLEST

_LARGEST: Final = 16 << 20


class BadPlan(Exception):
    """The plan cannot be carried out; the text is a sentence."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An effective plan: nothing is left open."""

    url: str | None = None
    """The server, as ws://host:port; None: a cluster of its own."""
    scenario: str = "chat"
    clients: int = 1000
    rooms: int = 1
    rate: float = 1.0
    """Messages a second of each client that speaks."""
    size: int = 100
    """Bytes of a message."""
    duration: float = 15.0
    """Seconds for which the load is held."""
    ramp: float = 2.0
    """Seconds over which clients connect."""
    processes: int = 1
    """Processes of mass clients."""
    canaries: int = 4
    """Independent clients that check every promise."""
    workers: int = 0
    """Workers of a cluster of our own; 0: one a CPU."""
    pin: bool = False
    """Put the cluster on the first CPU and everything else on the last."""
    seed: int = 1
    """Of everything left to chance."""


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file or the flags say; None: nothing."""

    url: str | None = None
    scenario: str | None = None
    clients: int | None = None
    rooms: int | None = None
    rate: float | None = None
    size: int | None = None
    duration: float | None = None
    ramp: float | None = None
    processes: int | None = None
    canaries: int | None = None
    workers: int | None = None
    pin: bool | None = None
    seed: int | None = None
    expect: tuple[str, ...] = ()
    """Expectations; those of file and flags are added up."""


# With all canaries they are fewer than swarm.client.MOST_CLIENTS.
_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "clients": (1, 1_000_000),
    "rooms": (1, 1_000_000),
    "rate": (0, 1e6),
    "size": (SMALLEST, _LARGEST),
    "duration": (0.1, 1e6),
    "ramp": (0, 1e5),
    "processes": (1, 256),
    "canaries": (0, 1000),
    "workers": (0, 256),
    "seed": (0, 1 << 62),
}


def from_toml(text: str) -> Given:
    """Read a plan file.

    Raises:
        BadPlan: it is no TOML, or has a name or value that does not fit.
    """
    try:
        return msgspec.toml.decode(text, type=Given)
    except msgspec.ValidationError as error:
        told = str(error)
        raise BadPlan(told[:1].lower() + told[1:]) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise BadPlan(f"is not TOML: {error}") from None


def effective(defaults: dict[str, Any], *given: Given) -> Plan:
    """Return the plan in force.

    Args:
        defaults: the scenario's own numbers.
        given: file, then flags: the last one that says something counts.

    Raises:
        BadPlan: a number is out of its bounds.
    """
    values = dict(defaults)
    for one in given:
        said = msgspec.structs.asdict(one)
        said.pop("expect")
        values |= {name: value for name, value in said.items() if value is not None}
    if defaults.get("rooms", 1) > 1 and all(one.rooms is None for one in given):
        # Rooms of ten stay so, whatever the crowd; one room for all does, too.
        share = values["clients"] / defaults["clients"]
        values["rooms"] = max(1, round(defaults["rooms"] * share))
    plan = Plan(**values)
    for name, (least, most) in _BOUNDS.items():
        value = getattr(plan, name)
        if not least <= value <= most:
            told = " to ".join(_number(bound) for bound in (least, most))
            raise BadPlan(f"{name} must be {told}, not {_number(value)}")
    for name in ("rooms", "processes"):
        if (value := getattr(plan, name)) > plan.clients:
            raise BadPlan(f"{name} ({value}) cannot be more than clients")
    return plan


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def expectations(*given: Given) -> tuple[str, ...]:
    """Return what file and flags expect, all of it."""
    return tuple(expression for one in given for expression in one.expect)


def to_toml(plan: Plan) -> str:
    """Return the plan as a file that would give it again."""
    lines = []
    for name, value in msgspec.structs.asdict(plan).items():
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else repr(value)
        if isinstance(value, str):
            text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        lines.append(f"{name} = {text}\n")
    return "".join(lines)
