"""The worker's side: everything that runs in a worker process."""
