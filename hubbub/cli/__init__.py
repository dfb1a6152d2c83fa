"""The `hubbub` command. `main` is its entry point; one module a subcommand.

Exit codes are `hubbub.codes.Exit`, and 130 after Ctrl-C. No traceback reaches the
person who typed the command: what can fail is one sentence on stderr.
"""

from .main import main

__all__ = ["main"]
