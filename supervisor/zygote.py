"""The zygote: imports the server once and forks workers on request.

It is forked from the supervisor, leads a session of its own (a terminal's Ctrl-C and
Ctrl-Z reach the supervisor alone), and runs one blocking loop: no threads, no trio.
For each request it forks a middle process, which forks the worker and exits, so that
the worker becomes the child of the supervisor (a subreaper). Everything in this file
runs in the zygote or in a worker, never in the supervisor; it is the one place that
may import `hubbub.server.worker`.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from setproctitle import setproctitle

from hubbub.settings import Settings

ENTRY: Final = "hubbub.server.worker:run_worker"
"""What a worker runs: a module, which also has `WorkerSpec`, and a function of it."""
CANNOT_RUN: Final = 3
"""Exit code: starting it again would change nothing."""
ORPHAN_LIFE: Final = 1.8
"""How long a worker may outlive its supervisor, seconds."""

_PR_SET_PDEATHSIG = 1
_PARENT_LOOK = 0.0001


@dataclass(frozen=True, slots=True)
class Nest:
    """What a zygote is born with; numbers of descriptors unless said otherwise."""

    channel: int
    listener: int
    scoreboard: int
    interest: int
    supervisor: int
    """Process id of the supervisor."""
    slots: int
    """How many slots the cluster has."""
    settings: Settings
    cluster: str
    """Id of the cluster."""
    entry: str
    """As ENTRY."""


def main(nest: Nest) -> int:
    """Run the zygote; called in the new process, with all signals blocked.

    Returns:
        The exit code, for os._exit.
    """
    os.setsid()
    _default_signals()
    # SIGKILL, because a stopped zygote does not see its channel close.
    _set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != nest.supervisor:
        return 0
    shared = {nest.listener, nest.scoreboard, nest.interest}
    _close_others({nest.channel, *shared})
    setproctitle("hubbub: zygote")
    channel = socket.socket(fileno=nest.channel)
    try:
        run = _load(nest.entry)
    except (Exception, SystemExit) as error:
        _say(
            channel,
            type="failed",
            reason=f"{type(error).__name__}: {error}"[:1000],
            traceback=traceback.format_exc()[-8000:],
        )
        return CANNOT_RUN
    gc.collect()
    gc.freeze()  # what is alive now is shared with every worker; leave it untouched
    _say(channel, type="ready")
    while True:
        data, fds, flags, _ = socket.recv_fds(channel, 4096, 2, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return 0
        # At the file limit descriptors vanish; the supervisor sees the channel's end.
        if len(fds) == 2 and not flags & socket.MSG_CTRUNC:
            _fork_worker(nest, run, json.loads(data), *fds)
        for fd in fds:
            os.close(fd)


def _load(entry: str) -> Callable[[Any], int]:
    """Import the server; return what runs a worker of (slot, generation, fds)."""
    module_name, _, name = entry.partition(":")
    module = importlib.import_module(module_name)
    run, spec = getattr(module, name), module.WorkerSpec
    return lambda fields: int(run(spec(**fields)))


def _fork_worker(
    nest: Nest,
    run: Callable[[Any], int],
    request: dict[str, int],
    channel: int,
    dump: int,
) -> None:
    """Fork a worker by way of a middle process."""
    try:
        middle = os.fork()
    except OSError:
        return  # the supervisor sees the channel's end and asks again
    if middle:
        os.waitpid(middle, 0)
        return
    status = 1
    try:
        middle = os.getpid()
        if os.fork() == 0:
            status = _worker(nest, run, request, channel, dump, middle)
        else:
            status = 0
    except BaseException:
        # The last frame of this process: whatever it is, it must not go on as zygote.
        traceback.print_exc()
    finally:
        flush()
        os._exit(status)


def _worker(
    nest: Nest,
    run: Callable[[Any], int],
    request: dict[str, int],
    channel: int,
    dump: int,
    middle: int,
) -> int:
    """Be a worker; return its exit code."""
    _close_others({nest.listener, nest.scoreboard, nest.interest, channel, dump})
    # Not before the supervisor is the parent: the middle process's exit would fire it.
    while os.getppid() == middle:
        time.sleep(_PARENT_LOOK)
    _leave_with(nest.supervisor)
    if os.getppid() != nest.supervisor:
        return 0
    slot, generation = request["slot"], request["generation"]
    setproctitle(f"hubbub: worker {slot}/{generation}")
    hello = json.dumps({"type": "hello", "pid": os.getpid()}).encode()
    try:
        os.write(channel, hello)
    except BrokenPipeError:
        return 0  # nobody waits for this worker any more
    try:
        return run(
            {
                "slot": slot,
                "generation": generation,
                "slots": nest.slots,
                "settings": nest.settings,
                "cluster": nest.cluster,
                "listener": nest.listener,
                "scoreboard": nest.scoreboard,
                "interest": nest.interest,
                "channel": channel,
                "dump": dump,
            }
        )
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1


def _leave_with(supervisor: int) -> None:
    """See to it that this worker does not outlive the supervisor by much.

    The end of its channel tells a healthy worker to go. A stopped one does not see it,
    and one whose loop is blocked does not look; so the supervisor's death sends SIGCONT
    (which starts a stopped process again and is harmless at any other time), and its
    handler sets an alarm that nobody survives.
    """

    def continued(number: int, frame: FrameType | None) -> None:
        if os.getppid() != supervisor:
            signal.setitimer(signal.ITIMER_REAL, ORPHAN_LIFE)

    signal.signal(signal.SIGCONT, continued)
    _set_parent_death_signal(signal.SIGCONT)


def _set_parent_death_signal(number: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def _default_signals() -> None:
    """Undo what the supervisor set; unblock everything."""
    signal.set_wakeup_fd(-1)
    kept = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - kept:
        signal.signal(number, signal.SIG_DFL)
    # `pkill -HUP hubbub` means the supervisor; the workers inherit this.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _close_others(keep: Collection[int]) -> None:
    """Close every descriptor but the standard ones and `keep`."""
    # Listed rather than closed by range: a hard limit of 2**30 is a common one.
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:  # the descriptor of the listing itself
                continue


def _say(channel: socket.socket, **message: object) -> None:
    try:
        channel.send(json.dumps(message).encode())
    except OSError:
        return  # the supervisor is gone; the next receive says so


def flush() -> None:
    """Write out what was printed: os._exit does not, and a fork copies it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # it was closed when Python started
                stream.flush()
        except (OSError, ValueError):
            continue
