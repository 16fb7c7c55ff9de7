"""Runs a server for another process and outlives neither: ``python vllm_guard.py PID COMMAND...``.

vLLM is a tree of processes. When its first one is killed the others stay, and keep the memory of the GPU. So whatever
is left is handed to this process (a "subreaper"), which ends all of it when the server ends, when it is told to, and
when process PID is gone, however it went. Standard library only: it runs by its path, without the package.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
"""From the polite signal to the other one."""


def main(owner: int, command: list[str]) -> int:
    """The exit status of the server, in the way of a shell: 128 and more is a signal."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    prctl = _prctl()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    server = subprocess.Popen(command, preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    while server.poll() is None and not told and os.getppid() == owner:
        time.sleep(POLL_SECONDS)
    if server.poll() is None:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_SECONDS)
    end_children()
    status = server.wait()
    return 128 - status if status < 0 else status


def end_children() -> None:
    """Kill children until there are none: the children of each become ours."""
    while True:
        for child in children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children() -> list[int]:
    """Process ids of direct children, the dead ones that are not waited for among them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in brackets and may hold anything; state and parent come after the last bracket.
            if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


def _prctl() -> Callable[[int, int], object]:
    if not sys.platform.startswith("linux"):
        return lambda _option, _value: None
    library = ctypes.CDLL(None)
    return lambda option, value: library.prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
