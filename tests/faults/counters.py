"""The cluster's counters beside those of the crowd. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.faults.history import History, Kind, Sent, Session


def differences(
    history: History,
    rows: Iterable[Mapping[str, Any]],
    strangers: int = 0,
    speaking: bool = False,
) -> list[str]:
    """Compare what workers count with what the crowd did, where both know it.

    Workers that have died took their counters along: only generation 1 is compared.

    Args:
        history: of a crowd that rests.
        rows: of `hubbub status --json`.
        strangers: connections besides the crowd's, accepted by anybody.
        speaking: whether strangers send messages, too.

    Returns:
        A sentence for each figure that differs.
    """
    served: dict[tuple[int, int], list[Session]] = {}
    for one in history.sessions:
        served.setdefault((one.slot, one.generation), []).append(one)
    # A connect that failed may or may not have been accepted by somebody.
    unknown = len(served.get((-1, 0), ())) + strangers
    found: list[str] = []
    for row in rows:
        if row["generation"] != 1:
            continue
        mine = served.get((row["slot"], 1), [])
        said = sum(len(one.sent) + (one.kind is Kind.NATIVE) for one in mine)
        figures = {}
        if not speaking and all(one.ended is None for one in mine):
            heard = sum(isinstance(item, Sent) for one in mine for item, _ in one.heard)
            figures["messages_in"] = (row["messages_in"], said)
            figures["delivered"] = (row["delivered"], heard)
        if not 0 <= row["accepted"] - len(mine) <= unknown:
            figures["accepted"] = (row["accepted"], len(mine))
        found += [
            f"{name} of slot {row['slot']}: {its} for {ours}"
            for name, (its, ours) in figures.items()
            if its != ours
        ]
    return found
