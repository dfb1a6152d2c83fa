"""A load test while it runs: a live view on a terminal, else a line a second."""
