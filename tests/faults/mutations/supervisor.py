"""What protects a cluster from the death of its parts, and from its predecessors."""

from tests.faults.mutations.mutation import Mutation

_WATCHDOG = "supervisor/watchdog.py"
_RESTARTS = "supervisor/restarts.py"
_ZYGOTE = "supervisor/zygote.py"
_RUNDIR = "supervisor/rundir.py"
_FOLDER = "supervisor/folder.py"
_S3 = "tests/faults/test_boot.py::test_s3_crash_loop[quick]"
_S5 = "tests/faults/test_watchdog.py::test_s5_stopped_worker[quick]"
_BLOCKED = (
    "tests/e2e/test_faults.py"
    "::test_blocked_worker_is_replaced_with_its_stack_in_the_journal"
)
_STALE = "tests/faults/test_stale.py"
_FLEET = "tests/supervisor/test_fleet.py"
_FORKED = "tests/supervisor/test_zygote.py"

MUTATIONS = (
    Mutation(
        "a worker without a heartbeat is killed",
        _WATCHDOG,
        "            case State.READY if silent:\n",
        "            case State.READY if now < 0:\n",
        (_S5,),
        r"waited 15\.0 s in vain",
    ),
    Mutation(
        "a blocked worker leaves its stack",
        "supervisor/process.py",
        "        self.signal(signal.SIGUSR2)\n",
        "",
        (_BLOCKED,),
        r"none: the process wrote none in time",
    ),
    Mutation(
        "a supervisor that was stopped itself grants everybody time",
        _WATCHDOG,
        "        if lateness > OWN_LATENESS:\n",
        "        if lateness < 0:\n",
        (
            "tests/e2e/test_pause.py"
            "::test_a_cluster_that_was_stopped_as_a_whole_blames_nobody",
        ),
        r"== \['ready', 'ready'\]",
    ),
    Mutation(
        "a worker has a time to get ready",
        _WATCHDOG,
        "case State.REQUESTED | State.ALIVE if over(pulse.since, self._boot):",
        "case State.REQUESTED | State.ALIVE if now < 0:",
        (f"{_FLEET}::test_worker_that_never_gets_ready_is_killed_and_tried_again",),
        r"\('listening'",
    ),
    Mutation(
        "pauses between restarts grow",
        _RESTARTS,
        "    return min(settings.cap, min(settings.cap, doubled) * spread)\n",
        "    return settings.pause * spread\n",
        (_S3,),
        r"^the last: 0\.0",
    ),
    Mutation(
        "a slot that dies again and again is given up",
        _RESTARTS,
        "    given_up = counts and len(young) > settings.intensity\n",
        "    given_up = False\n",
        (_S3,),
        r"waited 30 s in vain",
    ),
    Mutation(
        "exit code 3 means: do not restart me",
        "supervisor/slot.py",
        "        if end.kind is Kind.CONFIGURATION:\n",
        "        if end.kind is Kind.CONFIGURATION and now < 0:\n",
        (
            "tests/e2e/test_faults.py"
            "::test_healthz_says_degraded_until_a_hangup_revives_the_slot",
        ),
        r"waited 15\.0 s in vain",
    ),
    Mutation(
        "a zygote that dies is replaced",
        "supervisor/spawner.py",
        "        self.due = now + wait\n",
        "        self.due = None\n",
        (f"{_FORKED}::test_killed_zygote_is_replaced_and_workers_are_untouched",),
        r"<function test_killed_zygote",
    ),
    Mutation(
        "a zygote that does not fork is replaced",
        "supervisor/spawner.py",
        '            self.kill("does not fork")\n',
        "            pass\n",
        (f"{_FORKED}::test_stopped_zygote_costs_a_dead_worker_seconds",),
        r"assert \(.*\) < 5",
    ),
    Mutation(
        "inherited descriptors are closed",
        _ZYGOTE,
        "    _close_others({nest.channel, *shared})\n",
        "",
        (f"{_FORKED}::test_processes_have_names_and_exactly_their_own_descriptors",),
        r"assert \d+ == 7",
        also=(
            (
                _ZYGOTE,
                "    _close_others({nest.listener, nest.scoreboard, nest.interest, "
                "channel, dump})\n",
                "",
            ),
        ),
    ),
    Mutation(
        "a stopped worker does not outlive its supervisor",
        _ZYGOTE,
        "    _leave_with(nest.supervisor)\n",
        "",
        (f"{_STALE}::test_s31_port_of_a_predecessor_whose_workers_still_leave",),
        r'"event":"[^"]*in use[^"]*"',
    ),
    Mutation(
        "SIGHUP for everybody ends nobody",
        _ZYGOTE,
        "    signal.signal(signal.SIGHUP, signal.SIG_IGN)\n",
        "",
        ("tests/e2e/test_faults.py::test_a_hangup_for_everybody_ends_nobody",),
        r"'/proc/\d+/status'|ignored & 1 <<",
    ),
    Mutation(
        "a second stop means: at once",
        "supervisor/run.py",
        "        if stops:\n            self._log.warning",
        "        if stops < 0:\n            self._log.warning",
        ("tests/e2e/test_first_milestone.py::test_second_interrupt_stops_at_once",),
        r"timed out after 3 seconds",
    ),
    Mutation(
        "a drain has an end",
        _WATCHDOG,
        "case State.DRAINING if over(pulse.since, self._drain_limit(pulse)):",
        "case State.DRAINING if now < 0:",
        (
            "tests/supervisor/test_run.py"
            "::test_worker_that_will_not_drain_is_killed_after_the_grace",
        ),
        r"cluster\.wait\(\) == 0",
    ),
    Mutation(
        "a cluster takes its files away",
        "supervisor/run.py",
        "        stack.callback(self._rundir.release)\n",
        "",
        ("tests/faults/test_stop.py::test_s10_stop_under_load[quick]",),
        r"ledger: processes and files left",
    ),
    Mutation(
        "files that a killed cluster left are removed",
        _RUNDIR,
        "        rundir.predecessor_ports = _clear(path, folder, facts)\n",
        "        pass\n",
        (f"{_STALE}::test_s31_stale_files[as_it_is]",),
        r"already in use|holds a control\.sock not of ours",
        also=((_RUNDIR, "            ports = _clear(path, folder, facts)\n", ""),),
    ),
    Mutation(
        "a process number in a file is never believed",
        _RUNDIR,
        "            path, ports = Path(os.path.abspath(configured)), set[int]()\n",
        "            path, ports = Path(os.path.abspath(configured)), set[int]()\n"
        "            if (path / FACTS).is_file():\n"
        "                pid = _facts(os.open(path, os.O_RDONLY)).get('pid')\n"
        "                if os.path.exists(f'/proc/{pid}'):\n"
        "                    raise Refusal(f'{path} is taken by {pid}')\n",
        (f"{_STALE}::test_s31_stale_files[name_stranger]",),
        r"/run is taken by \d+",
    ),
    Mutation(
        "a run directory is one cluster's",
        _FOLDER,
        "            os.close(lock)\n            return None, False\n",
        "            pass\n",
        (
            "tests/e2e/test_faults.py"
            "::test_port_in_use_and_run_directory_taken_are_one_sentence_each",
        ),
        r"timed out after 20 seconds",
    ),
    Mutation(
        "a symbolic link is no run directory",
        _FOLDER,
        "    if path.is_symlink():\n",
        "    if not path:\n",
        (f"{_STALE}::test_s31_symlink_in_the_place_of_the_run_directory",),
        r"timed out after 10 seconds",
        also=((_FOLDER, "os.O_NOFOLLOW | os.O_CLOEXEC", "os.O_CLOEXEC"),),
    ),
    Mutation(
        "a run directory is closed to others",
        _FOLDER,
        "    if welcome and not facts.st_mode & 0o077:\n",
        "    if welcome:\n",
        ("tests/faults/test_boot.py::test_s4_cannot_boot[open_folder]",),
        r"timed out after 20 seconds",
    ),
    Mutation(
        "a port that a predecessor still holds is waited for",
        "supervisor/run.py",
        "            patience=listener.PATIENCE if waits else 0.0,\n",
        "            patience=0.0,\n",
        (
            "tests/faults/test_predecessor.py"
            "::test_s31_port_of_a_predecessor_whose_worker_is_blocked",
        ),
        r'"event":"[^"]*in use[^"]*"',
    ),
    Mutation(
        "who connects to the control socket and says nothing is in nobody's way",
        "supervisor/control.py",
        "        if len(self._connections) >= CONNECTIONS:\n",
        "        if len(self._connections) < 0:\n",
        (
            "tests/supervisor/test_control.py"
            "::test_newest_comes_in_for_the_one_that_was_idle_longest",
        ),
        r"TimeoutError: timed out",
    ),
)
