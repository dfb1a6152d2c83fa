"""`hubbub config` prints what loads back to the same settings."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from hubbub.cli import main
from hubbub.cli.config import as_toml
from hubbub.config import Given, Loaded, load
from hubbub.config.load import from_assignment
from hubbub.config.table import ENTRIES

CHANGES = [
    Given("--origin", "origins", ["https://a", "http://[::1]:81"], typed=True),
    from_assignment("limits.message=128KiB"),
    from_assignment("heartbeat.interval=25.125"),
    from_assignment("restarts.cap=1e6"),
    from_assignment('run_dir=/tmp/a "b" \\c é😀'),
    from_assignment("echo=true"),
    from_assignment("workers=3"),
    from_assignment("host=::1"),
]


@pytest.fixture
def changed() -> Loaded:
    return load(CHANGES, environ={}, directory=Path("/"))


@pytest.mark.parametrize("flags", [[], CHANGES])
def test_output_loads_back_to_the_same_settings(
    tmp_path: Path, flags: list[Given]
) -> None:
    first = load(flags, environ={}, directory=tmp_path)
    (tmp_path / "hubbub.toml").write_text(as_toml(first) + "\n")
    again = load(environ={}, directory=tmp_path)
    assert again.settings == first.settings
    assert list(again.sources.values()) == [
        f"hubbub.toml:{line}" for line in range(1, len(ENTRIES) + 1)
    ]


def test_every_line_tells_source_and_unit(changed: Loaded) -> None:
    lines = as_toml(changed).splitlines()
    assert len(lines) == len(ENTRIES)
    (message,) = [one for one in lines if one.startswith("limits.message ")]
    assert (
        message.split()
        == "limits.message = 131072 # --set; bytes; largest message".split()
    )
    (port,) = [one for one in lines if one.startswith("port ")]
    assert port.split("#")[1].startswith(" default; port to listen on")


def test_hostile_source_cannot_leave_its_comment(tmp_path: Path) -> None:
    (tmp_path / "a\nport = 1 #").write_text("identify = true")
    found = load(config="a\nport = 1 #", environ={}, directory=tmp_path)
    assert tomllib.loads(as_toml(found))["port"] == 8080


def test_command_takes_the_options_of_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hubbub.toml").write_text("[drain]\npace = 1\n")
    arguments = ["--port", "0", "--origin", "https://a", "--origin", "https://b"]
    switches = ["--identify", "--set", "drain.rate=7"]
    done = CliRunner().invoke(
        main,
        ["config", "--json", *arguments, *switches],
        env={"HUBBUB_WORKERS": "2"},
    )
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert list(found) == list(ENTRIES)
    told = {
        key: (one["value"], one["source"])
        for key, one in found.items()
        if one["source"] != "default"
    }
    assert told == {
        "port": (0, "--port"),
        "workers": (2, "HUBBUB_WORKERS"),
        "origins": (["https://a", "https://b"], "--origin"),
        "identify": (True, "--identify"),
        "drain.pace": (1.0, "hubbub.toml:2"),
        "drain.rate": (7.0, "--set"),
    }
    assert found["drain.pace"]["unit"] == "seconds"
    assert found["drain.pace"]["doc"]


def test_switches_that_are_not_given_change_nothing() -> None:
    done = CliRunner().invoke(main, ["config", "--json"], env={"HUBBUB_ECHO": "yes"})
    assert json.loads(done.stdout)["echo"]["source"] == "HUBBUB_ECHO"
    assert json.loads(done.stdout)["faults"]["source"] == "default"


def test_reader_that_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hubbub", "config"], stdout=writer, stderr=-1
    )
    os.close(writer)
    assert done.returncode == 0
    assert done.stderr == b""
