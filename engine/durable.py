"""Folders and files that are still there after a power cut, and what an error of the file system is told as."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from phrasemill.schemas.errors import OutputError

_OF_STORAGE: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENODEV,
        errno.ESTALE,
        errno.EMFILE,
        errno.ENFILE,
    }
)
"""What can befall a write that does not say which file it was: Arrow's own writes and fsync name none."""


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed inside a folder survive a power cut."""
    _sync(folder)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut."""
    _sync(path)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing, each of them durable in the one above."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def sync_tree(root: Path) -> None:
    """Make every folder of a tree durable, the innermost first. Its files are synced by whoever writes them."""
    for folder, _, _ in os.walk(root, topdown=False):
        sync_folder(Path(folder))


@contextmanager
def told_as_output(out: Path) -> Iterator[None]:
    """Tell errors of the file system inside ``out`` as OutputError; those of other places pass as they are."""
    try:
        yield
    except OSError as error:
        if (place := _place(error, out)) is None:
            raise
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(
            f"{place}: cannot be written or read: {why}; what was finished is kept: see to space and permissions "
            "there, then run the same command again to go on"
        ) from error


def _place(error: OSError, out: Path) -> Path | None:
    """The file that the error is about, the folder where it names none, or None where it is not about ``out``."""
    if error.filename is None:
        return out if error.errno in _OF_STORAGE else None
    if isinstance(error.filename, int):
        return None
    path = Path(os.fsdecode(error.filename))
    return path if path.is_relative_to(out) else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
