"""The embedded cluster: an API server in this process, simulated controllers, a simulated clock.

The room is an independent check of the program, so it imports nothing that decides, draws or
applies. `tests/contract` compares its behaviour with a real API server.
"""
