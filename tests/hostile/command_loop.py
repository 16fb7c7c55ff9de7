"""The command line in one process for many commands: reads a JSON list of arguments a line, answers with a JSON object.

The answer has the exit code, what was printed on stdout and stderr, and the largest memory in KiB that the process has
had so far.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys

from phrasemill.engine.cli.app import main


def run(arguments: list[str]) -> dict[str, object]:
    """Run one command as the program would."""
    sys.argv = ["phrasemill", *arguments]
    printed = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(printed[0]), contextlib.redirect_stderr(printed[1]):
        code = main()
    texts = []
    for stream in printed:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"code": code, "stdout": texts[0], "stderr": texts[1], "peak": peak}


if __name__ == "__main__":
    for line in sys.stdin:
        answer = run(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
