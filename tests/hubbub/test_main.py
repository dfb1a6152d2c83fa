"""The beginning of the command, with Ctrl-C at any moment of it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "hubbub"]
INTERRUPT = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("module", ["click", "hubbub_plugin"])
def test_ctrl_c_during_an_import_is_quiet(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(INTERRUPT)
    if module != "click":
        # In the finalizer of a module that is imported, nothing can be raised.
        (tmp_path / "click.py").write_text(
            f"class Late:\n    def __del__(self):\n        import {module}\n\nLate()\n"
        )
    done = subprocess.run(
        [*COMMAND, "status"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=20,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize("after", range(0, 160, 8))
def test_ctrl_c_at_any_moment_of_the_start_is_quiet(tmp_path: Path, after: int) -> None:
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--run-dir", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
    )
    select.select([], [], [], after / 1000)  # where in the start is the point here
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    if b"KeyboardInterrupt" in said:
        # Python itself was not done with its own start.
        assert b"hubbub/cli" not in said
        assert b"hubbub/__main__" not in said
        return
    assert b"Traceback" not in said
    # Before Python hears signals itself, they end it.
    assert process.returncode in (0, 130, -signal.SIGINT)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
@pytest.mark.parametrize(("command", "ends"), [("serve", False), ("status", True)])
def test_signal_that_a_cluster_outlives_does_not_end_its_beginning(
    tmp_path: Path, number: signal.Signals, command: str, ends: bool
) -> None:
    (tmp_path / "click.py").write_text(
        f"import os\nos.kill(os.getpid(), {int(number)})\nos._exit(7)\n"
    )
    done = subprocess.run(
        [*COMMAND, command],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=20,
    )
    assert done.returncode == (-number if ends else 7)


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    script = 'trap "" INT; exec "$0" -m hubbub --version & kill -INT $!; wait $!'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable], capture_output=True, timeout=20
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"hubbub ")
