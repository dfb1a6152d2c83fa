"""All scenarios, by name."""

from hubbub.loadtest.scenarios.broadcast import Broadcast
from hubbub.loadtest.scenarios.chat import Chat
from hubbub.loadtest.scenarios.churn import Churn
from hubbub.loadtest.scenarios.kill import Kill
from hubbub.loadtest.scenarios.reconnect_storm import ReconnectStorm
from hubbub.loadtest.scenarios.scenario import Scenario

SCENARIOS: dict[str, type[Scenario]] = {
    one.name: one for one in (Chat, Broadcast, Churn, ReconnectStorm, Kill)
}
