"""The run directory: taken, found, cleared, and never somebody else's."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.supervisor import rundir
from hubbub.supervisor.refusal import Refusal
from hubbub.supervisor.rundir import CONTROL, FACTS, LOCK, NotRunning

# A lock of our own process is invisible to it, so holders are other processes.
HOLDER = """
import os, sys
from hubbub.supervisor import rundir
os.setuid(int(sys.argv[2]))
held = rundir.take(sys.argv[1])
held.control.touch()
held.publish({"port": 4711})
print(held.path, flush=True)
if sys.stdin.readline():
    held.release()
"""


class Holder:
    """A process that holds a run directory."""

    def __init__(self, configured: str = "", uid: int | None = None) -> None:
        uid = os.getuid() if uid is None else uid
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, configured, str(uid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.path = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def release(self) -> None:
        self.process.communicate("release\n")
        assert self.process.returncode == 0


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("HUBBUB_RUN_DIR", raising=False)
    return tmp_path / "hubbub"


@pytest.fixture
def holder() -> Iterator[Holder]:
    one = Holder()
    yield one
    one.kill()


def test_clusters_without_a_name_get_a_private_directory_each(
    root: Path, holder: Holder
) -> None:
    other = rundir.take("")
    assert holder.path != other.path
    assert holder.path.parent == other.path.parent == root
    for folder in (root, holder.path, other.path):
        assert folder.stat().st_mode & 0o777 == 0o700
    other.release()
    assert root.exists()
    holder.release()
    assert not root.exists()


def test_named_directory_is_made_private_and_removed(tmp_path: Path) -> None:
    held = rundir.take(str(tmp_path / "mine"))
    assert held.path == tmp_path / "mine"
    assert held.path.stat().st_mode & 0o777 == 0o700
    held.publish({"port": 1})
    held.release()
    assert not held.path.exists()


def test_directory_that_was_there_stays_with_what_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.mkdir(mode=0o700)
    (path / "notes").write_text("keep")
    held = rundir.take(str(path))
    held.publish({"port": 1})
    held.control.touch()
    held.release()
    assert [entry.name for entry in path.iterdir()] == ["notes"]


def test_taken_directory_is_refused_with_its_holder(tmp_path: Path) -> None:
    holder = Holder(str(tmp_path / "mine"))
    with pytest.raises(Refusal, match=rf"taken .* \(pid {holder.process.pid}\)"):
        rundir.take(str(tmp_path / "mine"))
    holder.release()
    rundir.take(str(tmp_path / "mine")).release()


def test_files_of_a_killed_cluster_are_cleared_and_its_port_remembered(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine"
    Holder(str(path)).kill()
    assert sorted(p.name for p in path.iterdir()) == [FACTS, CONTROL, LOCK]
    held = rundir.take(str(path))
    assert held.predecessor_ports == {4711}
    assert [p.name for p in path.iterdir()] == [LOCK]
    held.release()
    assert not path.exists()  # it was made by the killed one


def test_killed_siblings_in_the_default_root_are_removed(
    root: Path, tmp_path: Path, holder: Holder
) -> None:
    dead = Holder()
    (dead.path / "journal.jsonl").write_text('{"event":"last words"}\n')
    dead.kill()
    (root / "empty").mkdir(mode=0o700)
    (root / "stranger").mkdir(mode=0o700)
    (root / "stranger" / "file").touch()
    held = rundir.take("")
    left = {p.name for p in root.iterdir()}
    assert left == {held.path.name, holder.path.name, "stranger"}
    assert held.predecessor_ports == {4711}
    kept = tmp_path / "state" / "hubbub" / "journal.jsonl"
    assert "last words" in kept.read_text()
    held.release()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_directory_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "mine"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(Refusal, match="open to other users"):
        rundir.take(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.mkdir(mode=0o700)
    os.chown(path, 65534, 65534)
    with pytest.raises(Refusal, match="belongs to another user"):
        rundir.take(str(path))


def test_symlinked_directory_is_refused_and_its_target_untouched(
    tmp_path: Path,
) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    (target / CONTROL).write_text("precious")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(Refusal, match="symbolic link"):
        rundir.take(str(tmp_path / "link"))
    assert (target / CONTROL).read_text() == "precious"


@pytest.mark.parametrize("name", [CONTROL, "journal.jsonl", FACTS])
def test_files_that_no_cluster_left_are_refused_not_removed(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "mine"
    path.mkdir(mode=0o700)
    (path / name).write_text("precious")
    with pytest.raises(Refusal, match="not of ours"):
        rundir.take(str(path))
    assert [p.name for p in path.iterdir()] == [name]


def test_symlinks_among_a_killed_clusters_files_are_not_followed(
    tmp_path: Path,
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "mine"
    Holder(str(path)).kill()
    for name in (CONTROL, FACTS):
        (path / name).unlink()
        (path / name).symlink_to(victim)
    rundir.take(str(path)).release()
    assert victim.read_text() == "precious"


def test_symlink_in_the_locks_place_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "mine"
    path.mkdir(mode=0o700)
    (path / LOCK).symlink_to(victim)
    with pytest.raises(Refusal):
        rundir.take(str(path))
    assert victim.read_text() == "precious"


def test_pid_in_a_stale_file_is_never_believed(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    Holder(str(path)).kill()
    (path / FACTS).write_text(json.dumps({"pid": os.getpid(), "port": "x"}))
    held = rundir.take(str(path))
    assert held.predecessor_ports == set()
    held.release()


def test_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    room = 107 - len(os.fsencode(tmp_path / CONTROL)) - 1
    fits, too_long = tmp_path / ("a" * room), tmp_path / ("a" * (room + 1))
    rundir.take(str(fits)).release()
    with pytest.raises(Refusal, match="too long for a Unix socket"):
        rundir.take(str(too_long))
    assert not too_long.exists()


def test_missing_parent_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be used: No such file"):
        rundir.take(str(tmp_path / "a" / "b"))


# Finding a cluster


def test_facts_that_cannot_be_written_are_one_sentence(tmp_path: Path) -> None:
    taken = rundir.take(str(tmp_path / "run"))
    (taken.path / "cluster.json").mkdir()  # as good as a full disk
    with pytest.raises(Refusal, match=r"run cannot be used: Is a directory$"):
        taken.publish({"pid": 1})
    (taken.path / "cluster.json").rmdir()
    taken.release()
    assert not taken.path.exists()


def test_nothing_is_found_where_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no cluster of this user"):
        rundir.find()
    with pytest.raises(NotRunning, match="no cluster is running in"):
        rundir.find(str(tmp_path / "nothing"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look at others'")
def test_root_is_told_of_other_users_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        monkeypatch.setattr("tempfile.tempdir", folder)
        other = Path(folder) / "hubbub-65534"
        other.mkdir(0o700)
        os.chown(other, 65534, 65534)
        monkeypatch.setenv("XDG_RUNTIME_DIR", "")
        monkeypatch.setenv("TMPDIR", folder)
        held = Holder(uid=65534)
        assert held.path.parent == other
        with pytest.raises(NotRunning, match=f"--run-dir can name {held.path}$"):
            rundir.find()
        assert rundir.find(str(held.path)) == held.path
        held.kill()
        with pytest.raises(NotRunning, match=r"is running$"):
            rundir.find()


def test_most_recent_living_cluster_is_found(holder: Holder) -> None:
    os.utime(holder.path / LOCK, (1, 1))
    newer = Holder()
    assert rundir.find() == newer.path
    newer.kill()
    assert rundir.find() == holder.path


def test_named_cluster_is_found_by_argument_before_environment(
    tmp_path: Path, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Holder(str(tmp_path / "named"))
    assert rundir.find(str(named.path)) == named.path
    monkeypatch.setenv("HUBBUB_RUN_DIR", str(named.path))
    assert rundir.find() == named.path
    assert rundir.find(str(holder.path)) == holder.path
    named.kill()
    with pytest.raises(NotRunning):
        rundir.find()


def test_looking_does_not_disturb_the_holder(holder: Holder) -> None:
    for _ in range(3):
        assert rundir.holder(holder.path) == holder.process.pid


def test_runtime_directory_that_is_not_there_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert rundir.default_root() == tmp_path / f"hubbub-{os.geteuid()}"
