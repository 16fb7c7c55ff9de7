"""A command of ours in a process that may be told to die: ``driver.py SPEC COMMAND...``.

SPEC is JSON: the fields of ``Steps``, and ``log``, a file for the steps of a run that comes to its end. The first step
is announced with a byte on standard output.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from steps import Steps, watch


class _Announced(Steps):
    """Steps that say when the first is met."""

    def meet(self, name: str, path: str) -> None:
        """As ``Steps.meet``."""
        if not self.seen:
            os.write(1, b"!")
        super().meet(name, path)


def run(spec: dict[str, str | int], command: list[str]) -> int:
    """The command's exit code, if it comes to one."""
    from phrasemill.engine.cli import main

    log = spec.pop("log", None)
    sys.argv = ["phrasemill", *command]
    with watch(_Announced(**spec)) as steps:  # type: ignore[arg-type]
        code = main()
    if log is not None:
        Path(str(log)).write_text(json.dumps(steps.seen))
    return code


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1]), sys.argv[2:]))
