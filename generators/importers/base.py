"""What every importer is given and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phrasemill.schemas.errors import InputError
from phrasemill.schemas.trait import Trait

IN_CHARACTER: Final = (
    "Reply to the last message as a character of whom the following is true. Let it show in the answer itself, and do "
    "not speak of it.\n\n"
)
"""Stands before a statement where a format has no instruction of its own."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import. ``prefix`` begins every id; ``harmful``: the user says that these traits do harm by intent."""

    path: Path
    text: str
    prefix: str = ""
    harmful: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """Something of the file that did not come over, or not as it stood. ``text``: the words themselves."""

    line: int
    item: str
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A trait and the line of the file where it begins."""

    trait: Trait
    line: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file gave. ``counts`` are of the file's own things; ``changed`` came over, but not as it stood."""

    traits: tuple[Taken, ...]
    counts: Mapping[str, int]
    left: tuple[Remark, ...] = ()
    changed: tuple[Remark, ...] = ()


def read_text(path: Path) -> str:
    """The text of a file, with line ends as newlines.

    Raises:
        InputError: the file cannot be read, is not UTF-8 (with the line), or holds nothing but white space.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: got bytes that are not UTF-8, expected UTF-8 text") from error
    if not text.strip():
        raise InputError(f"{path}:1: got an empty file, expected traits")
    return text.replace("\r\n", "\n").replace("\r", "\n")
