"""What may go wrong between a client and a server.

Problem        one sentence for people
├── Lost       may succeed later: connect again
└── Refused    will not succeed by trying again
"""


class Problem(Exception):
    """Something that people are told in one sentence, which is its text."""


class Lost(Problem):
    """The server is out of reach, or has gone away, for now."""


class Refused(Problem):
    """The server does not want this, and will not want it later."""
