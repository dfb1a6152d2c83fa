"""Peers: the same load against what a user would pick instead.

Each peer is a minimal room relay (`relays/`), written as its own documentation would
have it, with nothing but rooms; it runs on the servers' CPU, the same generator as for
every other figure on the other. What a peer needs is installed into a folder that can
be thrown away (`install.py`); a peer that cannot be is listed as missing.
"""
