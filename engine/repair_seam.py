"""The place where a cut is made: a range of a text that grows over what would be left hanging on either side."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

TERMINAL: Final = frozenset(".!?…。！？؟")
"""Ends a sentence."""

BLANK: Final = frozenset("\u200b\ufeff")
"""Invisible characters that count as white space beside what ``str.isspace`` knows."""

PREFIX: Final = re.compile(
    r"[^\S\r\n]*(?:>[^\S\r\n]?)*[^\S\r\n]*"
    r"(?:(?:[-*+•‣–]|\d{1,3}[.)]|#{1,6})(?=\s)[^\S\r\n]*)?(?:\[[ xX]\][^\S\r\n]*)?"
)
"""What markdown puts before the content of a line: quote marks, a list marker or heading, a task box."""

_RUNS: Final = re.compile(r"\*+|_+|~~")
_WRAPPERS: Final = "*_~\"'“”‘’«»([)"


class Gutted(Exception):
    """What is left beside a cut is not a whole sentence; the text must go to a model. Never leaves ``mend``."""


@dataclass(slots=True)
class Seam:
    """``text[start:stop]`` goes. It may grow from ``lo`` to ``hi``, never into a mask or an earlier cut.

    ``core`` is the cut as the rules asked for it and ``core_stop`` its end; ``markup`` says that it was no prose but
    leaked template tokens.
    """

    text: str
    start: int
    stop: int
    lo: int
    hi: int
    core: str
    core_stop: int
    markup: bool = False

    @property
    def line_start(self) -> int:
        """Where the line of ``start`` begins."""
        return line_start(self.text, self.start)

    @property
    def line_end(self) -> int:
        """Where the line of ``stop`` ends, before its line break."""
        return line_end(self.text, self.stop)

    @property
    def before(self) -> str:
        """What is left of the line in front of the cut."""
        return self.text[self.line_start : self.start]

    @property
    def after(self) -> str:
        """What is left of the line behind the cut."""
        return self.text[self.stop : self.line_end]

    @property
    def left(self) -> int:
        """The end of the text in front of the cut and of the white space before it, on the same line."""
        return skip_left(self.text, self.start, max(self.lo, self.line_start))

    @property
    def right(self) -> int:
        """The beginning of the text behind the cut and of the white space after it, on the same line."""
        return skip_right(self.text, self.stop, min(self.hi, self.line_end))

    @property
    def left_char(self) -> str:
        """The last visible character in front of the cut on its line, or an empty string."""
        at = self.left
        return self.text[at - 1] if at > self.line_start else ""

    @property
    def left_mark(self) -> str:
        """The last character in front of the cut on its line that is neither white space nor emphasis."""
        return self.before.rstrip("*_~ \t\u00a0")[-1:]

    @property
    def right_char(self) -> str:
        """The first visible character behind the cut on its line, or an empty string."""
        at = self.right
        return self.text[at] if at < self.line_end else ""

    @property
    def opens_line(self) -> bool:
        """Whether nothing but list markers, quote marks, heading marks and emphasis stands before it on its line."""
        prefix = PREFIX.match(self.before)
        return prefix is None or not self.before[prefix.end() :].strip("*_~|¡¿ \t\u00a0\u200b\ufeff")

    @property
    def opens_sentence(self) -> bool:
        """Whether a sentence begins here: at a line's content or behind the end of a sentence."""
        if self.opens_line:
            return True
        outer = self.before.rstrip().rstrip(_WRAPPERS).rstrip()
        return bool(outer) and (outer[-1] in TERMINAL or outer[-1] == "|")

    @property
    def terminal(self) -> str:
        """The punctuation that ends the sentence of the cut itself; empty where the cut stops inside a sentence."""
        return self.core[len(self.core.rstrip("".join(TERMINAL))) :]

    @property
    def first_letter(self) -> str:
        """The first cased letter of the cut, or an empty string."""
        return next((char for char in self.core if char.isupper() or char.islower()), "")


def is_space(char: str) -> bool:
    """White space of any kind, line breaks included."""
    return char.isspace() or char in BLANK


def is_blank(text: str) -> bool:
    """Whether the text is empty or white space throughout."""
    return all(map(is_space, text))


def skip_left(text: str, pos: int, lo: int) -> int:
    """The smallest index down to ``lo`` from which only white space leads to ``pos``."""
    while pos > lo and is_space(text[pos - 1]):
        pos -= 1
    return pos


def skip_right(text: str, pos: int, hi: int) -> int:
    """The largest index up to ``hi`` to which only white space leads from ``pos``."""
    while pos < hi and is_space(text[pos]):
        pos += 1
    return pos


def line_start(text: str, pos: int) -> int:
    """The index behind the last line break before ``pos``. A line breaks at LF, CR LF or a lone CR."""
    return max(text.rfind("\n", 0, pos), text.rfind("\r", 0, pos)) + 1


def line_end(text: str, pos: int) -> int:
    """The index of the first line break at or behind ``pos``, else the length of the text."""
    ends = [end for end in (text.find("\n", pos), text.find("\r", pos)) if end >= 0]
    return min(ends, default=len(text))


def next_line(text: str, pos: int) -> int:
    """The index behind the line break that stands at ``pos``; ``pos`` itself where none does."""
    if text.startswith("\r\n", pos):
        return pos + 2
    return pos + 1 if text[pos : pos + 1] in ("\n", "\r") else pos


def open_runs(line: str) -> set[str]:
    """The emphasis markers that an odd number of runs in ``line`` leaves open: it opens or closes outside of it.

    Runs between white space and underscores inside words are no emphasis, nor is a list marker at the start.
    """
    prefix = PREFIX.match(line)
    odd: set[str] = set()
    for run in _RUNS.finditer(line, prefix.end() if prefix else 0):
        left, right = line[: run.start()][-1:], line[run.end() :][:1]
        loose = (
            (not left or left.isspace()) and (not right or right.isspace()) and 0 < run.start() < run.end() < len(line)
        )
        inside = run[0][0] == "_" and left.isalnum() and right.isalnum()
        if not loose and not inside:
            odd ^= {run[0]}
    return odd
