"""What a setting that does not fit becomes: one plain sentence.

ConfigError              the cluster cannot start with these settings (exit code 3)
└── UsageProblem         a flag itself is wrong (exit code 2)
"""


class ConfigError(Exception):
    """A configuration that Hubbub cannot run with.

    Attributes:
        source: Where it was given: "hubbub.toml:12", "HUBBUB_PORT", "--port"; empty
            when no single place is to blame.
        sentence: What is wrong, in words for the person who wrote it.
    """

    def __init__(self, source: str, sentence: str) -> None:
        super().__init__(f"{source}: {sentence}" if source else sentence)
        self.source = source
        self.sentence = sentence


class UsageProblem(ConfigError):
    """A flag whose value does not fit, or `--set` with a key that does not exist."""
