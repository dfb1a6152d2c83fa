"""What protects a worker and its members from clients."""

from tests.faults.mutations.mutation import Mutation

_SOCKETS = "server/reactor/sockets.py"
_SWEEP = "server/reactor/sweep.py"
_THROTTLE = "server/reactor/throttle.py"
_REACTOR = "server/reactor/reactor.py"
_DECODER = "server/websocket/decoder.py"
_FLOODS = "tests/faults/test_floods.py::test_s25_floods[quick]"
_SLOTHS = "tests/faults/test_sloth.py::test_s22_slowloris[quick]"
_SLOW = "tests/faults/test_slow.py::test_s14_slow_consumers[quick]"

MUTATIONS = (
    Mutation(
        "an outbox has a limit",
        _SOCKETS,
        "elif box.size > self.limits.outbox * self.leniency and not c.patient:",
        "elif box.size < 0:",
        ("tests/e2e/test_slow.py::test_full_outbox_closes_the_slow_member_alone",),
        r"'outbox': 0.* == \{'outbox': 3",
    ),
    Mutation(
        "all outboxes of a worker share a budget",
        _SOCKETS,
        "        if self.counters.outbox_bytes > budget:\n",
        "        if self.counters.outbox_bytes < 0:\n",
        ("tests/e2e/test_slow.py::test_outboxes_of_a_worker_share_one_budget",),
        r"waited 15\.0 s in vain",
    ),
    Mutation(
        "unsent bytes that do not move are slow",
        _SWEEP,
        "if box is not None and now - box.moved > self._limits.stalled:",
        "if box is not None and now < box.moved:",
        (_SLOW,),
        r"waited 40 s in vain",
    ),
    Mutation(
        "who is slow is told so",
        _SOCKETS,
        "        self.close(c, Close.SLOW)\n",
        "        self.drop(c)\n",
        (_SLOW,),
        r"^closed with 4008: 0,",
    ),
    Mutation(
        "the kernel's buffer of a connection is bounded",
        "supervisor/listener.py",
        "listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, kernel_buffer)",
        "pass",
        ("tests/e2e/test_slow.py::test_full_outbox_closes_the_slow_member_alone",),
        r"waited 15\.0 s in vain|'outbox': 0",
    ),
    Mutation(
        "the rate of a connection is limited",
        _REACTOR,
        "elif spent - now > self._ahead and not c.patient:",
        "elif spent < now:",
        (_FLOODS,),
        "messages of 20 bytes: close code",
    ),
    Mutation(
        "who is over its rate is read no faster",
        _THROTTLE,
        "            return\n        self._hold(c)\n",
        "            return\n",
        ("tests/e2e/test_pace.py::test_what_is_over_the_rate_comes_later_and_whole",),
        r"assert \(0\.8 \* 2\.125\) < 0",
    ),
    Mutation(
        "who floods for long is closed",
        _THROTTLE,
        "if self._sockets.now - since > self._flood:",
        "if self._sockets.now < since:",
        (_FLOODS,),
        "messages of 20 bytes: close code",
    ),
    Mutation(
        "a publisher waits for a crowd that cannot follow",
        _THROTTLE,
        "    return 2 * behind > looked\n",
        "    return False\n",
        (
            "tests/e2e/test_pace.py"
            "::test_a_crowd_that_reads_more_slowly_than_its_publisher_writes_is_not_slow",
        ),
        r"too slowly",
    ),
    Mutation(
        "a message has a longest length, judged when it is declared",
        _DECODER,
        "    most = limits.message\n    return",
        "    most = 1 << 62\n    return",
        (_FLOODS,),
        "1 TiB declared: close code",
    ),
    Mutation(
        "a message has a number of fragments",
        _DECODER,
        "if self.fragments > limits.fragments:",
        "if self.fragments < 0:",
        (_FLOODS,),
        "65,536 fragments of 1 byte: close code",
    ),
    Mutation(
        "nothing is inflated beyond the limit",
        "server/websocket/deflate.py",
        "state.decompress(payload + TAIL, limit + 1)",
        "state.decompress(payload + TAIL)",
        (_FLOODS,),
        "64 MiB deflated to 64 KiB: memory",
    ),
    Mutation(
        "text is UTF-8",
        _DECODER,
        "if first == _FINAL_TEXT and not payload.isascii():",
        "if first == 0:",
        (_FLOODS,),
        "lone surrogates in UTF-8: close code",
    ),
    Mutation(
        "text in fragments is UTF-8",
        _DECODER,
        "        if self.carry or not part.isascii():\n"
        "            self._validate(part)\n",
        "",
        (
            "tests/fuzz/test_frames.py"
            "::test_fuzzed_frames_are_the_same_events_however_they_come",
        ),
        r"1007",
    ),
    Mutation(
        "values are not nested too deep",
        "server/dialects/value.py",
        "        if not levels:\n",
        "        if levels > MOST_LEVELS:\n",
        ("tests/e2e/test_json_rows.py::test_an_error_names_the_command_it_is_about",),
        r"KeyError: 'code'",
    ),
    Mutation(
        "who sends nothing but bad commands is closed",
        "server/reactor/session.py",
        "if c.strikes > MOST_STRIKES:",
        "if c.strikes < 0:",
        ("tests/e2e/test_json_rows.py::test_a_flood_of_bad_messages_is_closed[json]",),
        r"TimeoutError: timed out",
    ),
    Mutation(
        "a handshake has a deadline",
        _SWEEP,
        "if now - c.seen > self._limits.handshake:",
        "if now < c.seen:",
        (_SLOTHS,),
        "^silent: told",
    ),
    Mutation(
        "a message has a deadline",
        _SWEEP,
        "elif now - c.stuck[1] > self._limits.message_time:",
        "elif now < c.stuck[1]:",
        (_SLOTHS,),
        "^half a frame: told",
    ),
    Mutation(
        "who answers no ping is closed",
        _SWEEP,
        "elif now - c.pinged > self._heartbeat.timeout:",
        "elif now < c.pinged:",
        (_SLOTHS,),
        "^upgraded, then nothing: told",
    ),
    Mutation(
        "pongs do not queue",
        _SOCKETS,
        "        if c.outbox is None:\n"
        "            self.send(c, encode_frame(PONG, payload))\n",
        "        if c.outbox is None or c.outbox.size:\n"
        "            self.send(c, encode_frame(PONG, payload))\n",
        (
            "tests/server/reactor/test_reactor_ends.py"
            "::test_behind_an_outbox_only_the_latest_ping_is_answered",
        ),
        r"assert \d+ == \d+",
    ),
    Mutation(
        "the close code is read before the connection ends",
        _SOCKETS,
        "            self.send(c, data)\n"
        "            if c.outbox is None:\n"
        "                self._shut(c)\n",
        "            self.send(c, data)\n"
        "            if c.outbox is None:\n"
        "                self.drop(c)\n",
        (_FLOODS,),
        r"close code: 0,",
    ),
    Mutation(
        "what comes behind a refusal is read and dropped",
        _REACTOR,
        "            self.discard(c, len(data))\n",
        "            self.drop(c)\n",
        (
            "tests/e2e/test_frame_cost_rows.py"
            "::test_who_keeps_sending_while_refused_reads_the_code",
        ),
        r"BrokenPipeError|ConnectionResetError",
    ),
    Mutation(
        "a bug in one handler costs one connection",
        _REACTOR,
        "                    except Exception as error:\n"
        "                        self.fault(connection, error)\n"
        "                if self._large",
        "                    except SystemError as error:\n"
        "                        self.fault(connection, error)\n"
        "                if self._large",
        (
            "tests/server/reactor/test_reactor.py"
            "::test_an_exception_costs_one_connection",
        ),
        r"SystemError|RuntimeError|Error",
    ),
    Mutation(
        "numbers go back to the kernel only between batches of events",
        _SOCKETS,
        "        self._ended.append(c.fd)\n",
        "        os.close(c.fd)\n",
        (
            "tests/server/reactor/test_reactor.py"
            "::test_a_number_is_not_used_again_while_events_of_the_batch_remain",
        ),
        r"assert \[\d+\] != \[\d+\]",
    ),
    Mutation(
        "after a stall members have time to take what has piled up",
        _SWEEP,
        "self._reactor.leniency = _LENIENCY if now < self._strict_from else 1",
        "self._reactor.leniency = 1",
        (
            "tests/e2e/test_slow.py"
            "::test_a_worker_that_was_stopped_says_the_rest_and_closes_nobody",
        ),
        r"received 4008",
    ),
    Mutation(
        "who joins gets nothing that was said before",
        "server/rooms/room.py",
        "            self.late[member] = len(self.pending)\n",
        "            self.late[member] = 0\n",
        (
            "tests/server/reactor/test_fanout.py"
            "::test_who_joins_within_a_tick_gets_what_came_after",
        ),
        r"\['before', 'after'\] == \['after'\]",
    ),
)
