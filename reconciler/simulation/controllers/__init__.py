"""One simulated controller a file, each with a constant CONTROLLER.

They write the status shapes of the real controllers, under their own field managers.
"""
