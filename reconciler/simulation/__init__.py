"""A small cluster in this process, simulated controllers on it, and a clock that tests move.

It is a second opinion: it imports nothing that decides, draws or applies. It is trusted only as
far as `tests/contract` proves it equal to a real API server.
"""
