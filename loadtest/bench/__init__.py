"""Benchmarks: the server's CPU beside the least the kernel lets it cost.

Every figure is taken beside its own floor, in turns, in one run: a child process that
does nothing but `send()` the same bytes to as many sockets (`floor.py`). Both run on
one CPU; what generates and receives (`crowd.py`, `connect.py`) has another. Only the
ratio of the two travels from one machine to another.
"""
