"""Threads for work beside the main loop."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Threads"]

_PATIENCE = 3.0


class Threads:
    """Implements `ports.Background` with daemon threads: a thread that does not end is abandoned.
    An exception in a step ends its thread and is printed, so a step must catch what it expects."""

    def start(self, name: str, step: Callable[[], float]) -> Callable[[], None]:
        ended = threading.Event()

        def run() -> None:
            while not ended.is_set():
                if ended.wait(max(0.0, step())):
                    return

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()

        def stop() -> None:
            ended.set()
            if thread is not threading.current_thread():
                thread.join(_PATIENCE)

        return stop
