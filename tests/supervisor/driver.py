"""Run a supervisor with fake workers: settings as JSON in, log lines as JSON out."""

import json
import os
import sys
from dataclasses import replace

from hubbub.settings import Settings
from hubbub.supervisor.run import serve


class Log:
    def info(self, event, /, **fields):
        line = json.dumps({"event": event, **fields}) + "\n"
        os.write(1, line.encode())

    warning = error = info


def settings(changes):
    base = Settings()
    for name, value in changes.items():
        if isinstance(value, dict):
            changes[name] = replace(getattr(base, name), **value)
    return replace(base, **changes)


if __name__ == "__main__":
    changes = json.loads(sys.argv[1])
    sys.exit(serve(settings(changes), Log(), sys.argv[2]))
