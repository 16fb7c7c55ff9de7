"""The Markdown of a model specification: sections with ids, their text, commentary, footnotes and example blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phrasemill.schemas.errors import TraitError

_HEADING: Final = re.compile(r"^(#{1,6})\s+(.+?)\s*$")
_ATTRIBUTES: Final = re.compile(r"\s*\{#([A-Za-z0-9_-]+)((?:\s+[A-Za-z_]+=[^\s{}]+)*)\s*\}$")
_FENCE: Final = re.compile(r"^(`{3,}|~{3,})\s*(\w*)\s*$")
_EXAMPLE: Final = re.compile(r"^\*\*Example\*\*\s*:?\s*(.*)$")
_COMMENTARY: Final = re.compile(r"^!!!\s")
_FOOTNOTE: Final = re.compile(r"\[\^([\w-]+)\]")
_REFERENCE: Final = re.compile(r"\[\?\]\(#([\w-]+)\)")
_LINK: Final = re.compile(r"\[([^\[\]]+)\]\([^()\s]*\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced example. ``line``: of its first line inside the fence."""

    line: int
    name: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class Section:
    """A heading with an id and what stands below it, up to the next such heading."""

    line: int
    title: str
    id: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    footnotes: list[tuple[int, str]] = field(default_factory=list)
    commentary: list[tuple[int, str]] = field(default_factory=list)


def read_sections(path: Path, text: str) -> list[Section]:
    """The sections in order; text above the first of them belongs to none.

    Raises:
        TraitError: no heading has an id, two have the same, one has braces that are not understood, or a fence is
            never closed; with ``file:line``.
    """
    sections = _Reader(path, text.split("\n")).sections()
    if not sections:
        raise TraitError(f"{path}:1: got no heading with an id, expected some like '## Title {{#id authority=user}}'")
    titles = {section.id: section.title for section in sections}
    for section in sections:
        section.title = plain(section.title, titles)
        section.text = [plain(paragraph, titles) for paragraph in _paragraphs(section.text)]
        section.blocks = [Block(one.line, plain(one.name, titles), one.lines) for one in section.blocks]
    return sections


def read_blocks(path: Path, text: str) -> list[Block]:
    """The example blocks of a file without sections, like those that footnotes point to. Errors as above."""
    reader = _Reader(path, ["# - {#-}", *text.split("\n")], first=0)
    return [block for section in reader.sections() for block in section.blocks]


def plain(text: str, titles: dict[str, str]) -> str:
    """The text without footnotes and links; a link that has no text of its own becomes the title that it points to."""
    text = _REFERENCE.sub(lambda match: f'"{titles.get(match[1], match[1])}"', _FOOTNOTE.sub("", text))
    return _LINK.sub(r"\1", text)


class _Reader:
    """Walks the lines once."""

    def __init__(self, path: Path, lines: list[str], first: int = 1) -> None:
        self.path = path
        self.lines = lines
        self.first = first
        self._found: list[Section] = []
        self._seen: dict[str, int] = {}

    def sections(self) -> list[Section]:
        number = 0
        while number < len(self.lines):
            line = self.lines[number]
            if fence := _FENCE.match(line):
                number = self._fenced(number, fence)
            elif _COMMENTARY.match(line):
                number = self._comment(number)
            else:
                if heading := _HEADING.match(line):
                    self._head(number, heading[2])
                elif self._found:
                    self._found[-1].text.append(line)
                self._notes(number)
                number += 1
        return self._found

    def _head(self, number: int, title: str) -> None:
        """Begin a section; a heading without an id is text of the section around it."""
        where = f"{self.path}:{self.first + number}"
        match = _ATTRIBUTES.search(title)
        if not match:
            if "{#" in title:
                raise TraitError(f"{where}: got {title!r}, expected an id as in '## Title {{#id authority=user}}'")
            if self._found:
                self._found[-1].text += ["", title, ""]
            return
        name = match[1]
        if name in self._seen:
            raise TraitError(f"{where}: got the id {name!r} again, expected it once; first on line {self._seen[name]}")
        self._seen[name] = self.first + number
        pairs = (part.partition("=") for part in match[2].split())
        attributes = {key: value for key, _, value in pairs}
        self._found.append(Section(self.first + number, title[: match.start()], name, attributes))

    def _fenced(self, number: int, fence: re.Match[str]) -> int:
        """Take a fence: an example block where a line above names one, else text. Return the line behind it."""
        end = number + 1
        while end < len(self.lines) and self.lines[end].rstrip() != fence[1]:
            end += 1
        if end == len(self.lines):
            raise TraitError(
                f"{self.path}:{self.first + number}: got {fence[1]} that is never closed, expected its end"
            )
        if not self._found:
            return end + 1
        section = self._found[-1]
        while section.text and not section.text[-1].strip():
            section.text.pop()
        named = _EXAMPLE.match(section.text[-1]) if section.text else None
        if named and fence[2] == "xml":
            section.text.pop()
            inside = tuple(self.lines[number + 1 : end])
            section.blocks.append(Block(self.first + number + 1, named[1].strip(), inside))
            section.text.append("")
        else:
            section.text += self.lines[number : end + 1]
        return end + 1

    def _comment(self, number: int) -> int:
        """Take a block of commentary, which is indented. Return the line behind it."""
        end = number + 1
        while end < len(self.lines) and (not self.lines[end].strip() or self.lines[end].startswith((" ", "\t"))):
            end += 1
        if self._found:
            words = "\n".join(line.strip() for line in self.lines[number + 1 : end]).strip()
            self._found[-1].commentary.append((self.first + number, words))
        return end

    def _notes(self, number: int) -> None:
        if self._found:
            notes = ((self.first + number, name) for name in _FOOTNOTE.findall(self.lines[number]))
            self._found[-1].footnotes.extend(notes)


def _paragraphs(lines: list[str]) -> list[str]:
    return [text.strip("\n") for text in re.split(r"\n[ \t]*\n", "\n".join(lines)) if text.strip()]
