"""Commands as forks of one process that has imported everything and run nothing: a start costs no imports.

A library that has begun to use its threads must not be forked; this process only ever imports, forks and waits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final

_HERE: Final = Path(__file__).parent
_MODULES: Final = ("phrasemill.engine.run", "phrasemill.engine.cli.closing", "phrasemill.engine.model_stage", "loky")


class Child:
    """A command that was started; ``wait`` returns its exit code as ``subprocess`` has it."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self.pid = pid
        self._zygote = zygote

    def wait(self) -> int:
        """The exit code, or the signal that ended it, negated."""
        return self._zygote.result(self.pid)


class Zygote:
    """The process that forks. Children stand in sessions of their own."""

    def __enter__(self) -> Zygote:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ended: dict[int, int] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(self, command: list[str], errors: Path, **spec: Any) -> Child:
        """Start a command of ours with ``spec`` for its steps; what it prints goes to ``errors``."""
        root = command[command.index("-o") + 1]
        return Child(self, self._ask({"spec": {"root": root, **spec}, "command": command, "errors": str(errors)}))

    def result(self, pid: int) -> int:
        """Wait for a child."""
        return self._ask({"wait": pid})

    def _ask(self, what: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def serve() -> None:
    """Fork for every line with a command, wait for every line with a process, until the input ends."""
    sys.path.insert(0, str(_HERE))
    import driver

    for name in _MODULES:
        __import__(name)
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os.setsid()
            said = os.open(asked["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(said, 1)
            os.dup2(said, 2)
            code = driver.run(asked["spec"], asked["command"])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    serve()
