"""The journal: lines, rotation, and a disk that refuses."""

import json
from pathlib import Path

import pytest

from hubbub.supervisor import journal
from hubbub.supervisor.journal import NAME, OLD, Journal


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_entry_is_one_json_line_with_time_and_fields(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    book.write("exit", slot=1, stack='File "x"\nline 2')
    book.write("ready", slot=1)
    first, second = entries(tmp_path / NAME)
    assert (first["event"], first["slot"]) == ("exit", 1)
    assert first["stack"] == 'File "x"\nline 2'
    assert isinstance(first["at"], float)
    assert second["event"] == "ready"
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_full_journal_is_put_aside_and_one_old_one_kept(tmp_path: Path) -> None:
    book = Journal(tmp_path, limit=1000)
    for number in range(100):
        book.write("x", number=number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [NAME, OLD]
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names)
    kept = [e["number"] for e in entries(tmp_path / OLD) + entries(tmp_path / NAME)]
    assert kept == list(range(100))[-len(kept) :]
    assert book.lost == 0


def test_entry_that_cannot_be_written_is_counted_and_the_next_one_is_tried(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "later"
    book = Journal(folder)
    book.write("lost")
    assert book.lost == 1
    folder.mkdir()
    book.write("kept")
    assert [entry["event"] for entry in entries(folder / NAME)] == ["kept"]


def test_full_disk_is_counted_and_never_raises(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to("/dev/full")
    book = Journal(tmp_path)
    book.write("x")
    assert book.lost == 1


def test_symlink_in_the_journals_place_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / NAME).symlink_to(victim)
    Journal(tmp_path).write("x")
    assert victim.read_text() == "precious"


def test_last_journal_is_kept_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kept = tmp_path / "state" / "hubbub" / NAME
    for event in ("first", "second"):
        folder = tmp_path / event
        folder.mkdir()
        book = Journal(folder)
        book.write(event)
        book.close()
        assert journal.keep(folder) is None
        assert [entry["event"] for entry in entries(kept)] == [event]
    assert kept.stat().st_mode & 0o777 == 0o600


def test_state_directory_that_cannot_be_made_is_told_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert journal.keep(tmp_path)


def test_relative_state_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert journal.state_directory() == Path.home() / ".local" / "state" / "hubbub"
