"""The layers: who may import whom (docs/design.md)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("server", "supervisor", "loadtest", "hubbub")
IMPURE = {"trio", "socket", "time", "random", "logging", "structlog", "select"}
PURE = [
    *sorted((ROOT / "server/websocket").glob("*.py")),
    *sorted((ROOT / "server/dialects").glob("*.py")),
    *sorted((ROOT / "server/rooms").glob("*.py")),
    *(
        ROOT / f"loadtest/{name}.py"
        for name in (
            *("message", "plan", "pacer", "verify", "histogram"),
            *("results", "expect", "wording", "swarm/frames"),
            *(f"report/{part}" for part in ("scale", "svg", "figures", "plots")),
        )
    ),
    ROOT / "supervisor/slot.py",
    ROOT / "supervisor/fault.py",
    ROOT / "supervisor/health.py",
    ROOT / "supervisor/restarts.py",
    ROOT / "supervisor/watchdog.py",
    ROOT / "supervisor/link.py",
    ROOT / "supervisor/reason.py",
    ROOT / "supervisor/dashboard/snapshot.py",
]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_code_does_no_io(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & IMPURE


def test_server_knows_neither_supervisor_nor_load_tester() -> None:
    for path in sources("server"):
        for name in imports(path):
            assert not name.startswith(("hubbub.supervisor", "hubbub.loadtest")), path


def test_supervisor_knows_of_the_server_only_its_figures() -> None:
    for path in sources("supervisor"):
        for name in imports(path):
            if not name.startswith("hubbub.server"):
                continue
            allowed = name == "hubbub.server" or name.startswith("hubbub.server.stats")
            if path.name == "zygote.py":
                allowed = allowed or name.startswith("hubbub.server.worker")
            assert allowed, f"{path}: {name}"


def test_reactor_and_bus_meet_in_the_worker() -> None:
    for path in sources("server/reactor"):
        assert not any(n.startswith("hubbub.server.bus") for n in imports(path)), path


def test_what_measures_shares_no_driver_with_the_server() -> None:
    for path in [*sources("loadtest"), *sources("hubbub/people")]:
        for name in imports(path):
            allowed = not name.startswith("hubbub.server")
            assert allowed or name.startswith("hubbub.server.websocket"), path
