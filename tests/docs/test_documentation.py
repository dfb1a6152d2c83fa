"""What the documentation lists is what the code has."""

import dataclasses
import re
from pathlib import Path

from hubbub.cli.serve import command as serve
from hubbub.codes import CLOSES, ERRORS, Exit
from hubbub.config.table import ENTRIES
from hubbub.server.stats.layout import FIELDS
from hubbub.settings import Settings
from hubbub.supervisor.dashboard.snapshot import Cluster, snapshot
from hubbub.supervisor.slot import TRANSITIONS, Event, Kind, Slot

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def rows(page: str) -> list[list[str]]:
    """Return the cells of every table row of a page."""
    text = (DOCS / page).read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def settings(tree: object, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for field in dataclasses.fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, field.name)
        if dataclasses.is_dataclass(value):
            found |= settings(value, f"{prefix}{field.name}.")
        else:
            found[f"{prefix}{field.name}"] = (value, field.metadata["unit"])
    return found


def test_every_setting_is_documented_with_default_and_unit() -> None:
    told = {row[0].strip("`"): row[1:3] for row in rows("configuration.md")[1:]}
    real = settings(Settings())
    assert set(told) == set(real)
    for key, (default, unit) in real.items():
        text = str(default)
        if isinstance(default, bool):
            text = text.lower()
        elif default in ("", ()):
            text = '`""`' if default == "" else "`[]`"
        assert told[key] == [text, unit], key


def test_every_setting_is_documented_with_variable_flag_and_meaning() -> None:
    told = {row[0].strip("`"): row[3:] for row in rows("configuration.md")[1:]}
    assert {key: (row[0], row[2]) for key, row in told.items()} == {
        key: (f"`{entry.variable}`", entry.doc) for key, entry in ENTRIES.items()
    }
    flags = {key: row[1].strip("`") for key, row in told.items() if row[1]}
    options = {option for one in serve.params for option in one.opts}
    assert set(flags.values()) == options - {"--config", "--set"}
    for key, flag in flags.items():
        assert key.startswith(flag.removeprefix("--").replace("-", "_")), key


def test_every_code_is_documented() -> None:
    told = {row[0].strip("`"): row for row in rows("wire.md")}
    assert set(ERRORS) <= set(told)
    for name, error in ERRORS.items():
        assert told[name][2] == ("yes" if error.temporary else "no")
    for code, row in CLOSES.items():
        assert told[str(int(code))][1].startswith(row.reason.split(",")[0])
        assert told[str(int(code))][2] == ("yes" if row.reconnect else "no")


def test_every_exit_code_and_kind_of_end_is_documented() -> None:
    first = {row[0] for row in rows("operating.md")}
    assert {str(int(code)) for code in Exit} <= first
    last = {row[-1].strip("`") for row in rows("operating.md")}
    assert {kind.value for kind in Kind if kind is not Kind.NO_FORK} <= last


def test_every_event_of_the_journal_is_documented() -> None:
    sources = {path: path.read_text() for path in (ROOT / "supervisor").glob("*.py")}
    written = {
        event
        for text in sources.values()
        for event in re.findall(r"journal\.write\(\s*\"(\w+)\"", text)
    }
    judged = re.findall(r"Event\.([A-Z_]+)", sources[ROOT / "supervisor/watchdog.py"])
    told = re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("operating.md")))
    assert {"start", "exit"} <= written
    assert written | {Event[name].value for name in judged} <= set(told)


def test_every_field_of_the_status_is_documented() -> None:
    facts = Cluster(1, "", "", "", None, 0.0, 0.0, 0.0, 0.0, True, False, 0)
    slots = [Slot(0, Settings().restarts)]
    status = snapshot(facts, Settings(), slots, {}, {}, {})
    told = set(re.findall(r"`\.?(\w+)[`.]", (DOCS / "operating.md").read_text()))
    assert isinstance(status["cluster"], dict)
    assert isinstance(status["workers"], list)
    assert {*status["cluster"], *status["workers"][0]} <= told


def test_every_figure_of_the_scoreboard_is_told() -> None:
    text = (DOCS / "operating.md").read_text()
    renamed = {
        "heartbeat": "heartbeat_age_ms",
        "cpu": "cpu_percent",
        **{f"delay_{part}": "loop_delay_ms" for part in ("p50", "p99", "max")},
        **{f"memory_{part}": "memory.private" for part in ("private", "shared")},
        **{f"slow_{why}": "slow_closed_by" for why in ("outbox", "budget", "stalled")},
    }
    missing = [
        field.name
        for field in FIELDS
        if not re.search(rf"`{re.escape(renamed.get(field.name, field.name))}", text)
    ]
    assert missing == []


def test_the_table_of_slots_is_the_one_that_runs() -> None:
    told = [row for row in rows("design.md") if len(row) == 5][1:]
    real = [
        [
            state.value,
            event.value,
            row.state.value,
            ", ".join(step.value for step in row.steps) or "-",
            row.kind.value if row.kind else "-",
        ]
        for (state, event), row in TRANSITIONS.items()
    ]
    assert told == real
