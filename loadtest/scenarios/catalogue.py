"""All scenarios, by name."""

from hubbub.loadtest.scenarios.bad_clients import BadClients
from hubbub.loadtest.scenarios.broadcast import Broadcast
from hubbub.loadtest.scenarios.chat import Chat
from hubbub.loadtest.scenarios.churn import Churn
from hubbub.loadtest.scenarios.idle import Idle
from hubbub.loadtest.scenarios.kill import Kill
from hubbub.loadtest.scenarios.reconnect_storm import ReconnectStorm
from hubbub.loadtest.scenarios.restart import Restart
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.scenarios.slow_readers import SlowReaders

SCENARIOS: dict[str, type[Scenario]] = {
    one.name: one
    for one in (
        Chat,
        Broadcast,
        Churn,
        ReconnectStorm,
        SlowReaders,
        Idle,
        BadClients,
        Restart,
        Kill,
    )
}
