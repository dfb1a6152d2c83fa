"""Getting peers: found where it is, and missing with a reason where it is not."""

import json
import os
import stat
from pathlib import Path

import pytest

from hubbub.loadtest.bench.peers.install import Missing, nchan, with_npm, with_pip


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but what a test puts there."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    """Put a fake program on the PATH."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_no_node_is_a_reason(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"^there is no node here$"):
        with_npm(tmp_path / "ws", "ws")


def test_no_npm_is_a_reason(tools: Path, tmp_path: Path) -> None:
    tool(tools, "node", "echo v20.1.0")
    with pytest.raises(Missing, match=r"^there is no npm here$"):
        with_npm(tmp_path / "ws", "ws")


def test_last_words_of_npm_are_the_reason(tools: Path, tmp_path: Path) -> None:
    tool(tools, "node", "echo v20.1.0")
    tool(tools, "npm", "echo one; echo 'no network' >&2; exit 1")
    with pytest.raises(Missing, match=r"^npm failed: no network$"):
        with_npm(tmp_path / "ws", "ws")


def test_failure_without_words_is_told_by_its_exit_code(
    tools: Path, tmp_path: Path
) -> None:
    tool(tools, "node", "echo v20.1.0")
    tool(tools, "npm", "exit 7")
    with pytest.raises(Missing, match=r"^npm failed: exit code 7$"):
        with_npm(tmp_path / "ws", "ws")


def test_what_npm_installed_once_is_found_again(tools: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ws"
    package = folder / "node_modules/ws/package.json"
    package.parent.mkdir(parents=True)
    package.write_text(json.dumps({"version": "8.1"}))
    tool(tools, "node", "echo v20.1.0")
    tool(tools, "npm", f"echo called >> {tmp_path}/calls")
    for _ in range(2):
        found = with_npm(folder, "ws")
    assert found.version == "ws 8.1, Node v20.1.0"
    assert found.program == str(tools / "node")
    assert found.environment == {"NODE_PATH": str(folder / "node_modules")}
    assert (tmp_path / "calls").read_text() == "called\n"


@pytest.mark.slow
def test_what_pip_refuses_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"^python failed: .*not a/name"):
        with_pip(tmp_path / "bad", "not a/name")


def test_no_apt_is_a_reason(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"^there is no apt-get here$"):
        nchan(tmp_path / "nchan")


def test_apt_that_fails_is_asked_again_by_root_alone(
    tools: Path, tmp_path: Path
) -> None:
    tool(tools, "dpkg-deb", "exit 0")
    tool(tools, "apt-get", f"echo $1 >> {tmp_path}/calls; echo no lists; exit 100")
    with pytest.raises(Missing, match=r"^apt-get failed: no lists$"):
        nchan(tmp_path / "nchan")
    calls = (tmp_path / "calls").read_text().split()
    assert calls == (["download", "update"] if os.geteuid() == 0 else ["download"])
