"""Words that name this machine or its user, which no bundle may hold."""

from __future__ import annotations

import getpass
import socket

LEAST = 4
"""Shorter names are words of everything."""

COMMON = frozenset({"root", "user", "admin", "localhost", "ubuntu", "runner", "nobody"})


def private_words() -> frozenset[str]:
    """Names of the machine and of who is logged in, in lower case; without those of everybody."""
    host = socket.gethostname()
    names = {host, host.partition(".")[0]}
    try:
        names.add(getpass.getuser())
    except (OSError, KeyError):
        names.discard("")
    lower = {name.casefold() for name in names}
    return frozenset(name for name in lower if len(name) >= LEAST and name not in COMMON)
