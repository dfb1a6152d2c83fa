"""What protects workers from each other, and messages between them."""

from tests.faults.mutations.mutation import Mutation

_MESH = "server/bus/mesh.py"
_WIRE = "server/bus/wire.py"
_BUS = "tests/e2e/test_bus.py"
_MISSED = f"{_BUS}::test_stopped_worker_is_told_what_it_missed"
_ENDS = "tests/server/bus/test_mesh_ends.py"
_GREETING = "tests/server/bus/test_mesh_greeting.py"

MUTATIONS = (
    Mutation(
        "the interest bit is set before a join is answered",
        "server/reactor/session.py",
        "            self._interest.add(self._slot, room.bit)\n",
        '            __import__("threading").Timer(\n'
        "                0.002, self._interest.add, (self._slot, room.bit)\n"
        "            ).start()\n",
        (
            "tests/e2e/test_first_milestone.py"
            "::test_a_join_holds_when_it_is_answered[idle]",
        ),
        r"TimeoutError: timed out",
    ),
    Mutation(
        "what a dead worker left in shared memory is wiped",
        "supervisor/fleet.py",
        "            shared.interest.wipe(gone.slot)\n",
        "            pass\n",
        (f"{_BUS}::test_members_counts_the_whole_room",),
        r"assert 3 == 1",
    ),
    Mutation(
        "a link has a limit",
        _MESH,
        "                if link.size > self._limit:\n",
        "                if link.size < 0:\n",
        (_MISSED,),
        r"TimeoutError: timed out",
    ),
    Mutation(
        "what waits for a link has a limit",
        _MESH,
        "if peer.size + size > self._limit:",
        "if peer.size < 0:",
        (
            "tests/server/bus/test_mesh.py"
            "::test_more_than_the_limit_before_the_link_is_told_as_a_gap",
        ),
        r"assert 0 < 0",
    ),
    Mutation(
        "what was not sent is told",
        _MESH,
        "        if peer.missed.frames:\n",
        "        if peer.missed.frames < 0:\n",
        (_MISSED,),
        r"TimeoutError: timed out",
    ),
    Mutation(
        "a link that broke between the living is made again",
        "supervisor/switchboard.py",
        "for pair in self._mesh.take_due(now):",
        "for pair in ():",
        (_MISSED,),
        r"TimeoutError: timed out",
    ),
    Mutation(
        "half a frame dies with its link",
        "server/bus/link.py",
        "        self._reader = FrameReader(most_frame)\n",
        "        readers = reactor.__dict__.setdefault('readers', {})\n"
        "        self._reader = readers.setdefault(slot, FrameReader(most_frame))\n",
        ("tests/faults/test_bus.py::test_s17_death_in_the_middle_of_a_frame[quick]",),
        r"lost: [1-9]|lost their place: [1-9]",
    ),
    Mutation(
        "a frame has a longest length",
        _WIRE,
        "            if not 2 < length <= self._most:\n",
        "            if length <= 2:\n",
        (f"{_ENDS}::test_a_bad_frame_cuts_the_link_and_nothing_escapes",),
        r"assert \[\] == \[\(1, 1\)\]",
    ),
    Mutation(
        "a frame has a number of elements",
        _WIRE,
        "body, max_array_len=MOST_ROOMS, max_map_len=0, max_ext_len=0",
        "body",
        (
            "tests/server/bus/test_wire.py"
            "::test_a_megabyte_of_empty_arrays_is_refused_cheaply",
        ),
        r"assert \(\d{8} - ",
    ),
    Mutation(
        "a link begins with the hello of the right worker",
        _MESH,
        "if fields != [link.slot, link.generation, self._cluster]:",
        "if not fields:",
        (f"{_GREETING}::test_a_stranger_is_cut_at_its_hello",),
        r"assert \['x'\] == \[\]",
    ),
    Mutation(
        "text of a peer is checked before members get it",
        _MESH,
        "            if what != _BINARY and not payload.isascii():\n"
        "                _check_text(payload)\n",
        "",
        (f"{_ENDS}::test_a_bad_frame_cuts_the_link_and_nothing_escapes",),
        r"assert \[\] == \[\(1, 1\)\]",
    ),
    Mutation(
        "a link is greeted when the last one was read to its end",
        _MESH,
        "        if any(_same_peer(link, other) for other in self._ending):\n",
        "        if link.fd < 0:\n",
        (f"{_GREETING}::test_a_link_is_greeted_when_the_last_one_was_read_to_its_end",),
        r"assert \[\(1, \[0, 1, .* == \[\]",
    ),
    Mutation(
        "what waits for a worker is not its successor's",
        _MESH,
        "            peer.turn_to(generation)\n        if not generation:",
        "            peer.generation = generation\n        if not generation:",
        (f"{_ENDS}::test_a_gap_for_a_worker_is_not_told_to_its_successor",),
        r"\['GAP', 'first'\] == \['first'\]",
    ),
)
