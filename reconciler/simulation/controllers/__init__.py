"""The simulated controllers: one file per project, each with a constant PROJECT.

Controllers write statuses of the same form as the real ones, with their own field managers.
"""
