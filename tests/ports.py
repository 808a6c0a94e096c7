"""Ports for servers that must be told theirs before they start."""

import itertools
import os
import socket

#: Below the ports that the system gives to connections; each process begins at another one, so that
#: tests in parallel do not take each other's.
_FIRST, _COUNT = 10_000, 20_000
_NUMBERS = itertools.count(os.getpid() * 997)


def free_port():
    """A port of 127.0.0.1 that nobody listens on, and that no other test was given lately."""
    for number in _NUMBERS:
        port = _FIRST + number % _COUNT
        with socket.socket() as made:
            try:
                made.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")
