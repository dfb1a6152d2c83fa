"""Contenders in processes of their own, each with its sockets, taking turns.

All servers run at the same time, but one at a time is under load, for a short round:
what disturbs the machine, or slows it down for a while, meets all alike. A relay that
has no turn is stopped. (Hubbub is not, its supervisor would replace a worker that
stands still; idle, it needs a hundredth of a CPU.)

Started as `python -m hubbub.loadtest.bench.peers.turns` with one JSON object, the child
takes the name of a turn a line and answers with what came of it.
"""

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import asdict
from types import TracebackType

from hubbub.loadtest.bench.cluster import UNLIMITED
from hubbub.loadtest.bench.cluster import serve as serve_hubbub
from hubbub.loadtest.bench.machine import GENERATING, pin, raise_file_limit, unpin
from hubbub.loadtest.bench.peers.catalogue import PEERS
from hubbub.loadtest.bench.peers.contender import Bare, Contender, Figures, Serving
from hubbub.loadtest.bench.peers.install import Installed
from hubbub.loadtest.bench.peers.peer import serve
from hubbub.loadtest.bench.peers.wire import PLAIN
from hubbub.loadtest.bench.row import Invalid, Late, Options

HUBBUB = "Hubbub"
FLOOR = "floor"
_PATIENCE = 120.0
"""Seconds that a turn may take: what can last is bounded in itself, far lower."""
_END = 60.0


def _contender(name: str, installed: Installed, options: Options) -> Contender:
    if name == FLOOR:
        return Bare(options)
    if name == HUBBUB:
        return Serving(lambda: serve_hubbub(*UNLIMITED), PLAIN, options)
    peer = PEERS[name]
    return Serving(lambda: serve(peer, installed), peer.wire, options)


def main() -> None:
    """Be a contender until stdin ends."""
    # What ends this process must end what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    pin(GENERATING)
    raise_file_limit()
    given = json.loads(sys.argv[1])
    contender = _contender(
        given["name"], Installed(**given["installed"]), Options(**given["options"])
    )
    with contender:
        for line in sys.stdin:
            told: dict[str, object] = {}
            try:
                told["figures"] = contender.turn(line.strip())
            except Late as error:
                told["late"] = str(error)
            except (Invalid, OSError) as error:
                told["fault"] = str(error)
            print(json.dumps(told), flush=True)


class Child:
    """A contender's process; a context manager that ends it and all it has started."""

    def __init__(self, name: str, installed: Installed, options: Options) -> None:
        given = {
            "name": name,
            "installed": asdict(installed),
            "options": asdict(options),
        }
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "hubbub.loadtest.bench.peers.turns"),
                json.dumps(given),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=unpin,
        )

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        streams = self._process.stdin, self._process.stdout
        for stream in streams:
            assert stream is not None
            stream.close()
        if kind is not None:
            self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def returncode(self) -> int | None:
        """How it ended; None: it runs."""
        return self._process.returncode

    def turn(self, name: str) -> Figures:
        """Give it a turn; return what was measured.

        Raises:
            Late: this round measured nothing, the next one may.
            Invalid: why it failed.
        """
        given, taken = self._process.stdin, self._process.stdout
        assert given is not None
        assert taken is not None
        line = b""
        try:
            os.write(given.fileno(), f"{name}\n".encode())
            if not select.select([taken], [], [], _PATIENCE)[0]:
                self._process.terminate()
                raise Invalid(f"it took more than {_PATIENCE:.0f} s")
            line = taken.readline()
        except BrokenPipeError:
            pass  # Said below: there is no line, either.
        if not line:
            raise Invalid("what measures it has ended")
        told = json.loads(line)
        if "late" in told:
            raise Late(told["late"])
        if "fault" in told:
            raise Invalid(told["fault"])
        figures: Figures = told["figures"]
        return figures


if __name__ == "__main__":
    main()
