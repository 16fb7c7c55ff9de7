"""What goes to stdout and stderr: tables for people, one JSON object for machines, and no harm from a closed pipe."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDE: Final = 4000
"""Columns where no terminal sets a limit: nothing is wrapped in a file or a pipe."""


def prepare_streams() -> None:
    """Let characters that the terminal's encoding lacks be written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(*parts: RenderableType) -> None:
    """Print tables and texts on stdout, in colour for terminals only."""
    from phrasemill.engine.display import make_console

    console = make_console()
    if not console.is_terminal:
        console.width = WIDE
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    write(captured.get())


def say(text: str = "") -> None:
    """Print a line, or several, on stdout; control characters of the data are made visible."""
    from phrasemill.engine.display import shown

    write("\n".join(shown(line) for line in text.split("\n")) + "\n")


def show_json(value: Any) -> None:
    """Print one JSON value on stdout, in a line."""
    import orjson

    write(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")


def write(text: str) -> None:
    """Write to stdout. A reader that went away has seen enough: the rest goes nowhere and the work goes on."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def complain(text: str) -> None:
    """Print on stderr, if anybody still listens there; control characters are written as escapes."""
    safe = "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
    try:
        sys.stderr.write(safe + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        return
