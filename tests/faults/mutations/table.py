"""All mutations, in the order of the table."""

from tests.faults.mutations import bus, client, supervisor, worker

MUTATIONS = (
    *client.MUTATIONS,
    *bus.MUTATIONS,
    *worker.MUTATIONS,
    *supervisor.MUTATIONS,
)
