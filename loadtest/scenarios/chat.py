"""Rooms of tens in which everybody speaks."""

from typing import ClassVar

from hubbub.loadtest.scenarios.scenario import Scenario


class Chat(Scenario):
    """Rooms of ten; everybody says something every second."""

    name: ClassVar[str] = "chat"
    rooms: ClassVar[int] = 100
