"""Find a running cluster and ask its supervisor."""

from pathlib import Path

from hubbub.people.problem import Problem

Answer = dict[str, object]

PATIENCE = 5.0
"""Seconds a supervisor has to answer; it is one poll loop, so this is ample."""


def find(run_dir: str | None) -> Path:
    """Return the run directory of a living cluster.

    Raises:
        Problem: There is none.
    """
    from hubbub.supervisor import rundir

    try:
        return rundir.find(run_dir)
    except rundir.NotRunning as error:
        raise Problem(str(error)) from None


def ask(path: Path, request: Answer) -> Answer:
    """Send a request to the supervisor of a cluster and return its answer.

    Raises:
        Problem: It does not answer, or answers that it will not.
    """
    from hubbub.supervisor import control_client

    try:
        answer = control_client.ask(path, request, PATIENCE)
    except TimeoutError:
        raise Problem(f"the supervisor in {path} does not answer") from None
    except OSError as error:
        raise Problem(f"the cluster in {path} is out of reach: {error}") from None
    if error_text := answer.get("error"):
        raise Problem(str(error_text))
    return answer


def public_url(run_dir: str | None) -> str | None:
    """Return the URL of a cluster, or None if none was named and none lives.

    Raises:
        Problem: A run directory was named and no cluster lives there.
    """
    try:
        status = ask(find(run_dir), {"type": "status"})
    except Problem:
        if run_dir:
            raise
        return None
    cluster = status.get("cluster")
    urls = cluster.get("urls") if isinstance(cluster, dict) else None
    url = urls.get("public") if isinstance(urls, dict) else None
    return url if isinstance(url, str) else None
