"""What protects a worker's clients from its surroundings, and those from it."""

from tests.faults.mutations.mutation import Mutation

_LISTENER = "server/reactor/listener.py"
_BALANCE = "tests/e2e/test_balance.py"
_DRAIN = "server/reactor/drain.py"
_STOP = "tests/faults/test_stop.py"
_LOG = "tests/faults/test_log.py"
_SINK = "hubbub/logs/sink.py"

MUTATIONS = (
    Mutation(
        "who has more connections than the others leaves accepting to them",
        _LISTENER,
        "        if own > mean + slack(mean):\n",
        "        if own < 0:\n",
        (f"{_BALANCE}::test_slow_connects_spread_evenly",),
        r"\[\d+, \d+, \d+, \d+\]",
    ),
    Mutation(
        "a queue that nobody serves is served by who sees it",
        _LISTENER,
        "            if stuck or waiting_looks >= _STUCK_LOOKS:\n",
        "            if stuck and waiting_looks < 0:\n",
        (f"{_BALANCE}::test_stopped_workers_keep_no_connect_waiting[1]",),
        r"\[.*, 0\.[1-9]\d*\]",
    ),
    Mutation(
        "all workers accept from one queue",
        "server/worker.py",
        "            socket.socket(fileno=spec.listener),\n",
        "            _own_queue(socket.socket(fileno=spec.listener)),\n",
        (f"{_BALANCE}::test_stopped_workers_keep_no_connect_waiting[1]",),
        r"ConnectionResetError|TimeoutError: timed out|\[.*\]",
        also=(
            (
                "server/worker.py",
                "def _place(error: BaseException) -> str:\n",
                "def _own_queue(shared: socket.socket) -> socket.socket:\n"
                "    own = socket.socket()\n"
                "    own.setblocking(False)\n"
                "    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
                "    own.bind(shared.getsockname())\n"
                "    own.listen(4096)\n"
                "    return own\n\n\n"
                "def _place(error: BaseException) -> str:\n",
            ),
            (
                "supervisor/listener.py",
                "        listener.listen(BACKLOG)\n",
                "",
            ),
            (
                "supervisor/listener.py",
                "(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)",
                "(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)",
            ),
        ),
    ),
    Mutation(
        "accepting pauses when there are no descriptors",
        _LISTENER,
        "        if monotonic() < self._paused_until:\n            return False\n",
        "",
        (
            "tests/e2e/test_open_files.py"
            "::test_a_worker_without_descriptors_does_not_spin",
        ),
        r"assert \(.* - .*\) < \(0\.2",
    ),
    Mutation(
        "who is too many is told so",
        "server/reactor/session.py",
        "if self.draining or len(self._reactor.connections) > self._most:",
        "if self.draining:",
        ("tests/e2e/test_refusal_rows.py::test_a_full_worker_says_so_and_recovers",),
        r"assert 101 == 503",
    ),
    Mutation(
        "the heartbeat is the loop's own",
        "server/pulse.py",
        "        due = trio.current_time()\n        while True:\n",
        "        def beat() -> None:\n"
        "            while True:\n"
        '                self._record.set("heartbeat", time.monotonic_ns())\n'
        "                time.sleep(PERIOD)\n\n"
        '        __import__("threading").Thread(target=beat, daemon=True).start()\n'
        "        due = trio.current_time()\n        while True:\n",
        (
            "tests/e2e/test_faults.py"
            ""
            "::test_blocked_worker_is_replaced_with_its_stack_in_the_journal[spin-spin]",
        ),
        r"waited 15\.0 s in vain",
    ),
    Mutation(
        "everybody is told before a worker ends",
        "server/reactor/sockets.py",
        "        self.finish(c, encode_close(code, reason), linger)\n",
        '        self.finish(c, b"", linger)\n',
        (f"{_STOP}::test_s10_stop_under_load[quick]",),
        "closed with 1001",
    ),
    Mutation(
        "a drain waits until the last client has ended",
        _DRAIN,
        "    await reactor.wait_empty()\n",
        "",
        (
            "tests/e2e/test_drain.py::test_who_is_behind_gets_the_rest_and_then_the_code",
        ),
        r"ended after|ConnectionResetError",
    ),
    Mutation(
        "closes are spread over time",
        _DRAIN,
        "        await trio.sleep(_STEP)\n",
        "        await trio.lowlevel.checkpoint()\n",
        ("tests/e2e/test_drain.py::test_a_drain_at_its_slowest_takes_its_time",),
        r"assert \(.* - .*\) > ",
    ),
    Mutation(
        "a worker without a supervisor says goodbye",
        "server/worker.py",
        "                nursery.start_soon(self._orphaned, nursery)\n",
        "",
        (
            "tests/e2e/test_first_milestone.py"
            "::test_nothing_outlives_a_killed_supervisor",
        ),
        r"\[None, None\] == \[1012, 1012\]",
    ),
    Mutation(
        "a log never waits for its reader",
        _SINK,
        "os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY",
        "os.O_WRONLY | os.O_NOCTTY",
        (f"{_LOG}::test_s19_reader_that_stops_reading[quick]",),
        r"TimeoutError: timed out",
    ),
    Mutation(
        "a line that cannot be written is lost and nothing else",
        _SINK,
        "        except OSError:\n            written = 0\n        if written == len",
        "        except BlockingIOError:\n            written = 0\n"
        "        if written == len",
        (f"{_LOG}::test_s19_disk_that_is_always_full[quick]",),
        r"assert 1 is None",
    ),
    Mutation(
        "one event has ten lines a second",
        "hubbub/logs/flood.py",
        "        if window.lines >= self._per_second:\n",
        "        if window.lines < 0:\n",
        (
            "tests/e2e/test_request_rows.py"
            "::test_a_flood_of_bad_handshakes_does_not_flood_the_log",
        ),
        r"assert \(\d+ - \d+\) < \(32",
    ),
)
