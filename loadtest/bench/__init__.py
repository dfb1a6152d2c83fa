"""Benchmarks: the server's CPU beside the least the kernel lets it cost."""
