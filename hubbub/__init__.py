"""Hubbub: a room server for real-time applications.

What users import lives here; the server, the supervisor and the load tester are
`hubbub.server`, `hubbub.supervisor` and `hubbub.loadtest`, linked from the
folders of the same names at the top of the repository.
"""

__version__ = "0.1.0"
