"""A process that runs commands one after the other, each within a deadline."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEADLINE_SECONDS: Final = 300.0
"""How long a command may take before it counts as hung, on a busy machine too."""

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command did. ``peak`` is the largest memory of its process so far, in bytes."""

    code: int
    stdout: str
    stderr: str
    peak: int


class Commands:
    """Runs ``phrasemill`` commands in a process that is started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()

    def run(self, *arguments: object) -> Answer:
        """Run one command.

        Raises:
            AssertionError: it hung, or the process died.

        """
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps([str(each) for each in arguments]) + "\n")
        process.stdin.flush()
        try:
            line = self._answers.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            self.close()
            raise AssertionError(f"{arguments}: no answer within {DEADLINE_SECONDS} seconds") from None
        if not line:
            code = process.wait()
            self.close()
            raise AssertionError(f"{arguments}: the process died with {code}")
        answer = json.loads(line)
        return Answer(answer["code"], answer["stdout"], answer["stderr"], answer["peak"] * 1024)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            argv = [sys.executable, str(Path(__file__).with_name("command_loop.py"))]
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT
            )
            self._answers = queue.Queue()
            threading.Thread(target=_pass_on, args=(self._process, self._answers), daemon=True).start()
        return self._process


def _pass_on(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Put each line that the process prints into the queue, and an empty one at the end."""
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line)
    answers.put("")
