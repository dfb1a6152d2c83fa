"""Precedence, sources, and the sentence of every mistake."""

import os
from pathlib import Path

import pytest

from hubbub.config import ConfigError, Given, UsageProblem, load
from hubbub.config.load import from_assignment
from hubbub.config.table import ENTRIES, VARIABLES
from hubbub.settings import Settings


def test_defaults_hold_where_nobody_says_otherwise(tmp_path: Path) -> None:
    found = load(environ={}, directory=tmp_path)
    cpus = len(os.sched_getaffinity(0))
    assert found.settings == Settings(workers=min(cpus, 256))
    assert set(found.sources) == set(ENTRIES)
    assert set(found.sources.values()) == {"default"}


@pytest.mark.parametrize(
    ("file", "environ", "flags", "port", "source"),
    [
        (None, {}, [], 8080, "default"),
        ("port = 1", {}, [], 1, "hubbub.toml:1"),
        ("port = 1", {"HUBBUB_PORT": "2"}, [], 2, "HUBBUB_PORT"),
        (None, {"HUBBUB_PORT": "2"}, [], 2, "HUBBUB_PORT"),
        ("port = 1", {"HUBBUB_PORT": "2"}, [("--port", "3")], 3, "--port"),
        ("port = 1", {}, [("--set", "4"), ("--port", "3")], 3, "--port"),
        ("port = 1", {}, [("--set", "8080")], 8080, "--set"),
    ],
)
def test_later_layer_wins(
    tmp_path: Path,
    file: str | None,
    environ: dict[str, str],
    flags: list[tuple[str, str]],
    port: int,
    source: str,
) -> None:
    if file:
        (tmp_path / "hubbub.toml").write_text(file)
    given = [Given(name, "port", value) for name, value in flags]
    found = load(given, environ=environ, directory=tmp_path)
    assert found.settings.port == port
    assert found.sources["port"] == source


def test_every_layer_may_give_a_different_setting(tmp_path: Path) -> None:
    (tmp_path / "hubbub.toml").write_text(
        "# first\nport = 1\n\n[limits]\nmessage = '128KiB'\nlink = 1_048_576\n"
        "[drain]\npace = '500ms'\n"
    )
    found = load(
        [from_assignment("limits.stalled=2m"), Given("--echo", "echo", "true")],
        environ={"HUBBUB_ORIGINS": "https://a.example, http://b:81", "HOME": "/"},
        directory=tmp_path,
    )
    settings = found.settings
    assert settings.limits.message == 131072
    assert settings.limits.link == 1 << 20
    assert settings.limits.stalled == 120.0
    assert settings.drain.pace == 0.5
    assert settings.echo is True
    assert settings.origins == ("https://a.example", "http://b:81")
    told = {key: source for key, source in found.sources.items() if source != "default"}
    assert told == {
        "port": "hubbub.toml:2",
        "limits.message": "hubbub.toml:5",
        "limits.link": "hubbub.toml:6",
        "drain.pace": "hubbub.toml:8",
        "origins": "HUBBUB_ORIGINS",
        "limits.stalled": "--set",
        "echo": "--echo",
    }


@pytest.mark.parametrize(
    ("argument", "variable", "used"),
    [("a.toml", None, "a.toml"), (None, "b.toml", "b.toml"), ("a.toml", "b.toml", "a")],
)
def test_named_file_is_read_instead_of_the_usual_one(
    tmp_path: Path, argument: str | None, variable: str | None, used: str
) -> None:
    for name in ("a.toml", "b.toml", "hubbub.toml"):
        (tmp_path / name).write_text(f"host = '{name}'")
    environ = {"HUBBUB_CONFIG": variable} if variable else {}
    found = load(config=argument, environ=environ, directory=tmp_path)
    assert found.settings.host.startswith(used)
    assert found.sources["host"] == f"{found.settings.host}:1"


@pytest.mark.parametrize(
    "environ", [{"HUBBUB_CONFIG": "no.toml"}, {"HUBBUB_CONFIG": "dir/no.toml"}]
)
def test_named_file_that_is_missing_is_an_error(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml: there is no such file"):
        load(environ=environ, directory=tmp_path)


def test_dangling_link_in_place_of_the_usual_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hubbub.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="there is no such file"):
        load(environ={}, directory=tmp_path)


def test_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(config=".", environ={}, directory=tmp_path)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"HUBBUB_PROT": "1"},
            "HUBBUB_PROT: there is no such setting; did you mean HUBBUB_PORT?",
        ),
        (
            {"HUBBUB_MESSAGE": "1"},
            "HUBBUB_MESSAGE: there is no such setting; "
            "did you mean HUBBUB_LIMITS_MESSAGE?",
        ),
        ({"HUBBUB_QQ": ""}, "HUBBUB_QQ: there is no such setting"),
        ({"HUBBUB_PORT": ""}, 'HUBBUB_PORT: port needs a whole number, not ""'),
        ({"HUBBUB_PORT": "8O"}, 'HUBBUB_PORT: port needs a whole number, not "8O"'),
        (
            {"HUBBUB_PORT": "65536"},
            "HUBBUB_PORT: port must be from 0 to 65535, not 65536",
        ),
        ({"HUBBUB_PORT": "-1"}, "HUBBUB_PORT: port must be from 0 to 65535, not -1"),
        (
            {"HUBBUB_ECHO": "maybe"},
            'HUBBUB_ECHO: echo needs true or false, not "maybe"',
        ),
        (
            {"HUBBUB_ORIGINS": "*"},
            'HUBBUB_ORIGINS: origins takes no "*": leave the list empty to admit any '
            "origin",
        ),
    ],
)
def test_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, environ: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ, directory=tmp_path)
    assert str(caught.value) == sentence
    assert caught.value.source == next(iter(environ))


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    environ = {"HUBBUB_URL": "ws://x", "HUBBUB_RUN_DIR": "/run/x", "HUBBUB_CONFIG": ""}
    found = load(environ=environ, directory=tmp_path)
    assert found.settings.run_dir == "/run/x"
    assert found.sources["run_dir"] == "HUBBUB_RUN_DIR"


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert len(VARIABLES) == len(ENTRIES)
    assert VARIABLES["HUBBUB_LIMITS_OUTBOX_BUDGET"].key == "limits.outbox_budget"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("prot = 1", 'there is no setting "prot"; did you mean port?'),
        ("message = 1", 'there is no setting "message"; did you mean limits.message?'),
        ("zzz = 1", 'there is no setting "zzz"'),
        ("limit.message = 1", 'there is no section "limit"; did you mean limits?'),
        ("[limit]", 'there is no section "limit"; did you mean limits?'),
        (
            "limits.mesage = 1",
            'there is no setting "limits.mesage"; did you mean limits.message?',
        ),
        ("limits = 3", "limits is a section of settings, not a setting"),
        ('port = "8080"', 'port needs a whole number, not the string "8080"'),
        ("port = 80.5", "port needs a whole number, not the number 80.5"),
        ("port = true", "port needs a whole number, not true"),
        ("port = [1]", "port needs a whole number, not a list"),
        ("port = {a = 1}", "port needs a whole number, not a table"),
        ("port = 1979-05-27", "port needs a whole number, not a date or time"),
        ("port = 65536", "port must be from 0 to 65535, not 65536"),
        ("workers = 257", "workers must be from 0 to 256, not 257"),
        ("echo = 1", "echo needs true or false, not the number 1"),
        ('echo = "yes"', 'echo needs true or false, not the string "yes"'),
        ("host = 1", "host needs a string, not the number 1"),
        ('host = ""', 'host needs an address or a host name, not ""'),
        (
            'host = "[::1]"',
            "host takes an IPv6 address without brackets, such as ::1",
        ),
        (
            'run_dir = "a\\nb"',
            'run_dir needs a path of printable characters, not "a\\nb"',
        ),
        (
            'origins = "https://a"',
            'origins needs a list of strings, not the string "https://a"',
        ),
        ("origins = [1]", "origins needs a list of strings, not a list"),
        (
            'origins = ["https://a/"]',
            'origins needs scheme://host or scheme://host:port, not "https://a/"',
        ),
        (
            'origins = ["null"]',
            'origins takes no "null": any page can make its origin null',
        ),
        (
            'limits.message = "64 pages"',
            'limits.message needs a size, such as 65536 or "64KiB", not "64 pages"',
        ),
        (
            "limits.message = 1.5",
            'limits.message needs a size, such as 65536 or "64KiB", not the number 1.5',
        ),
        (
            "limits.message = 0",
            "limits.message must be from 1 to 2147483648 bytes, not 0 bytes",
        ),
        (
            "limits.link = '1KiB'",
            "limits.link must be at least 65536 bytes, not 1024 bytes",
        ),
        (
            "drain.grace = '1 fortnight'",
            'drain.grace needs a duration in seconds, such as 0.5 or "500ms", '
            'not "1 fortnight"',
        ),
        ("drain.grace = 0", "drain.grace must be at least 0.1 seconds, not 0 seconds"),
        (
            "drain.grace = nan",
            "drain.grace must be at least 0.1 seconds, not nan seconds",
        ),
        ("restarts.jitter = 2", "restarts.jitter must be from 0 to 1, not 2"),
        ("drain.rate = '5'", 'drain.rate needs a number, not the string "5"'),
    ],
)
def test_mistake_in_a_file_names_its_line(
    tmp_path: Path, line: str, sentence: str
) -> None:
    (tmp_path / "hubbub.toml").write_text(f"# a comment\nidentify = true\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load(environ={}, directory=tmp_path)
    assert str(caught.value) == f"hubbub.toml:3: {sentence}"
    assert not isinstance(caught.value, UsageProblem)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("limits.message", '--set: needs key=value, not "limits.message"'),
        (
            "limits.messag=1",
            '--set: there is no setting "limits.messag"; did you mean limits.message?',
        ),
        ("port=x", '--set: port needs a whole number, not "x"'),
    ],
)
def test_mistake_in_a_flag_is_wrong_usage(text: str, sentence: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        load([from_assignment(text)], environ={}, directory=Path("/"))
    assert str(caught.value) == sentence


def test_home_in_a_run_directory_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    (tmp_path / "hubbub.toml").write_text('run_dir = "~/hub"')
    found = load(environ={}, directory=tmp_path)
    assert found.settings.run_dir == "/home/ann/hub"
