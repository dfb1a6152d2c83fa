"""What counts as conformant: stricter than the Autobahn suite's own verdict.

A case *fails* unless the suite calls both its events and its close OK or INFORMATIONAL.
The suite also has kinder words, which are failures here: NON-STRICT (such as invalid
UTF-8 that is noticed late), UNIMPLEMENTED, UNCLEAN, WRONG CODE, FAILED BY CLIENT.

A case is *without its close frame* unless the server sent exactly one close frame, with
the right code. The suite lets a server pass that just drops the connection, and offers
it a choice of codes. The right code is derived from the report of the case:

- The suite closed properly (the report says `requireClean`): the code that it sent
  (`localCloseCode`) comes back, RFC 6455 section 5.5.1.
- Otherwise the server had to fail the connection, section 7.1.7: one of the codes that
  the suite expects, apart from 1000 (nothing was normal) and from an echo of the bad
  code that the suite sent itself. In 7.5.1, a reason that is no UTF-8, the suite would
  take 1002 too; section 8.1 asks for 1007.
- 7.3.1 sends a close frame without a code; whatever code the answer has is the suite's
  to judge, but an answer there must be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ACCEPTED = frozenset({"OK", "INFORMATIONAL"})
_CLOSE_FRAME = "8"
_NORMAL = 1000
_EXACT = {"7.5.1": 1007}
_ANY_CODE = frozenset({"7.3.1"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one case came to."""

    case: str
    """The number of the case, such as 7.3.1."""
    informational: bool
    """Whether the suite only tells what happened."""
    fails_connection: bool
    """Whether the case calls for the server to fail the connection."""
    failure: str | None
    """Why the case failed."""
    close: str | None
    """What is wrong with its close frame."""

    @property
    def group(self) -> int:
        return int(self.case.split(".")[0])


def judge(report: Mapping[str, Any]) -> Verdict:
    """Judge a case by its report."""
    case = report["id"]
    behaviors = (report["behavior"], report["behaviorClose"])
    failure = None
    if not _ACCEPTED.issuperset(behaviors):
        failure = (
            f"{behaviors[0]}, close {behaviors[1]}: {report['result']} "
            f"{report['resultClose']}."
        )
    return Verdict(
        case=case,
        informational="INFORMATIONAL" in behaviors,
        fails_connection=not report["expectedClose"]["requireClean"],
        failure=failure,
        close=_judge_close(case, report),
    )


def _judge_close(case: str, report: Mapping[str, Any]) -> str | None:
    frames = report["rxFrameStats"].get(_CLOSE_FRAME, 0)
    if frames != 1:
        return f"{frames} close frames instead of 1"
    if case in _ANY_CODE:
        return None
    right, code = right_codes(case, report), report["remoteCloseCode"]
    if code in right:
        return None
    return f"closed with {code} instead of {' or '.join(map(str, sorted(right)))}"


def right_codes(case: str, report: Mapping[str, Any]) -> set[int]:
    """Return the codes that the server's close frame may have in this case."""
    if case in _EXACT:
        return {_EXACT[case]}
    sent, expected = report["localCloseCode"], report["expectedClose"]
    if expected["requireClean"]:
        return {sent}
    return set(expected["closeCode"]) - {_NORMAL, sent}
