"""Scenarios of the load test, one file each: what a crowd does to a server.

A new one is a file here with a subclass of `Scenario`; `hubbub load --list` prints
the first line of its docstring.
"""
