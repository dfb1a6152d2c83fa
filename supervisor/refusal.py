"""Why a cluster does not start."""


class Refusal(Exception):
    """The environment or the configuration does not allow it.

    Its text is one sentence for the person who typed the command; exit code 3.
    """
