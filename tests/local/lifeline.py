"""Ties a launcher's life to that of the process which started it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from threading import Thread


def end_with_parent(before_exit: Callable[[], None] = lambda: None) -> None:
    """Ends this process when its standard input does.

    The kernel closes the pipe however the parent dies, SIGKILL included: no signal handler of the parent has to run.
    """

    def wait_for_end() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        try:
            before_exit()
        finally:
            os._exit(0)

    Thread(target=wait_for_end, name="lifeline", daemon=True).start()


def announce_ready() -> None:
    """Says that connections are accepted; the starter waits for this line.

    What was imported stays as it is: the garbage collector has no need to look through it again and again.
    """
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
