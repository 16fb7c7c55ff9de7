"""Whether an output folder keeps what is written to it: a link in it would lead a write to another place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phrasemill.schemas.errors import ConfigError

_DEPTH: Final = 2
"""Levels of folders that an output has under it."""


def refuse_links(out: Path) -> None:
    """Refuse links to folders in an output folder, and to files at its top, which are opened where they lie.

    ``out`` itself may be one. A file further in is only ever replaced as a whole, and a link to it with it.

    Raises:
        ConfigError: names the first link.
    """
    for path in _links(out, 0):
        raise ConfigError(
            f"{path}: is a link to {os.readlink(path)}, expected a part of the output folder itself: move it away, or "
            f"link the whole folder {out} to where there is room"
        )


def _links(folder: Path, depth: int) -> Iterator[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        found = sorted((entry for entry in entries if entry.is_symlink() or entry.is_dir()), key=lambda each: each.name)
    for entry in found:
        if entry.is_symlink():
            if depth == 0 or entry.is_dir():
                yield Path(entry.path)
        elif depth < _DEPTH:
            yield from _links(Path(entry.path), depth + 1)
