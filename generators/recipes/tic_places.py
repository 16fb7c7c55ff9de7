"""Where in an answer a tic can be put: into its prose, never into code, lists, tables, headings or quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from phrasemill.filters.deliverables import frame_of
from phrasemill.filters.masks import REASONING, Mask, mask_points
from phrasemill.filters.offsets import CodePoints
from phrasemill.filters.sentences import split_batch
from phrasemill.generators.recipes.tics import Tic

_STRUCTURE: Final = re.compile(
    r"[ \t]*(?:[-*+\u2022][ \t]|\d{1,3}[.)][ \t]|#{1,6}[ \t]|>|\||(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*$)"
    r"|(?: {4}|\t)[ \t]*\S|[ \t]*\*\*[^*]+\*\*:?[ \t]*$"
)
"""A line of a list, a quotation, a table or code, a heading or a rule."""

_LEAD: Final = re.compile(r"[^\n]{1,320}:[*_ \t]*\n[ \t]*\n")
_RULE: Final = re.compile(r"\n[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*\n")

_TERMINAL: Final = frozenset(".!?\u2026")
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_LOWERED: Final = frozenset(
    re.findall(
        r"\w+",
        "The This That These Those A An It There They We You Your He She His Her Its Their Our Most Many Some Each "
        "Every Both All One Such Another Several Few",
    )
)
"""First words of a statement that are no names: a tic that runs on makes them small. Others may be names or orders."""

_KEPT: Final = frozenset({"I", "I'm", "I've", "I'd", "I'll"})


class Place(NamedTuple):
    """``text[:at] + put + text[at + 1:]`` with the character in between made small where ``lowers``."""

    at: int
    put: str
    lowers: bool


@dataclass(frozen=True)
class Prose:
    """An answer, and the sentences of its prose.

    ``made``: the answer holds a text that the user asked for. Such a text, and a signed one, is the user's to use: an
    assistant has its tics around it, not in it.
    """

    text: str
    made: bool = False

    def places(self, tic: Tic) -> list[Place]:
        """Every place for the tic, in reading order."""
        if self._is_shut:
            return []
        if tic.at == "start":
            return self._at_start(tic)
        if tic.at == "end":
            return self._at_end(tic)
        if tic.at == "sentence":
            return [
                Place(start, f"{tic.say}{tic.glue or ' '}", lowers=self._is_large(start))
                for start, _ in self.sentences
                if start > self._first and self.is_own(start) and self._may_follow(start, tic)
            ]
        return [
            Place(stop, f"{tic.glue or ' '}{tic.say}", lowers=False)
            for _, stop in self.sentences
            if self.text[stop - 1] in _TERMINAL and self.is_own(stop - 1)
        ]

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Bounds of the sentences that stand in prose and touch nothing that is masked at their borders."""
        raw = self.text.encode()
        found = split_batch(np.frombuffer(raw, np.uint8), np.array([0]), np.array([len(raw)]))
        point = CodePoints(raw, self.text)
        point.learn((*found.start.tolist(), *found.stop.tolist()))
        bounds = [
            (point(start), point(stop)) for start, stop in zip(found.start.tolist(), found.stop.tolist(), strict=True)
        ]
        return [(start, stop) for start, stop in bounds if self._is_prose(start) and self._is_free(start, stop)]

    def is_own(self, at: int) -> bool:
        """Whether the assistant speaks at ``at``, not a text that is the user's."""
        start, stop = self._users
        return not start <= at < stop

    @cached_property
    def _masks(self) -> list[Mask]:
        return mask_points(self.text)

    @cached_property
    def _first(self) -> int:
        """Where the answer begins, behind any reasoning and white space."""
        begun = max((mask.stop for mask in self._masks if mask.kind == REASONING), default=0)
        return len(self.text) - len(self.text[begun:].lstrip())

    @cached_property
    def _is_shut(self) -> bool:
        """Nothing to put a tic beside: no text, or data as a whole."""
        return not self.text[self._first :].strip() or any(
            mask.kind == "json" and mask.start <= self._first and not self.text[mask.stop :].strip()
            for mask in self._masks
        )

    @cached_property
    def _users(self) -> tuple[int, int]:
        """Bounds of the text that is the user's, in doubt too; empty where all of the answer is the assistant's.

        Theirs is not a first line that ends with a colon and stands alone, nor what follows a signature or a last rule.
        """
        signed = frame_of(self.text)
        if not (self.made or signed.signed):
            return (0, 0)
        lead = _LEAD.match(self.text, self._first)
        start = lead.end() if lead else 0
        rules = [match.start() for match in _RULE.finditer(self.text, start)]
        return start, signed.stop if signed.signed else rules[-1] if rules else len(self.text)

    def _at_start(self, tic: Tic) -> list[Place]:
        if not tic.runs_on or tic.glue is not None:
            joins = self._is_prose(self._first) and self.is_own(self._first)
            glue = tic.glue or (" " if joins else "\n\n")
            return [Place(self._first, f"{tic.say}{glue}", lowers=False)]
        begins = bool(self.sentences) and self.sentences[0][0] == self._first
        if begins and self.is_own(self._first) and self._may_follow(self._first, tic):
            return [Place(self._first, f"{tic.say} ", lowers=self._is_large(self._first))]
        return []

    def _at_end(self, tic: Tic) -> list[Place]:
        stop = len(self.text.rstrip())
        if self.text.count("```") % 2:
            return []
        alone = "\n" in self.text[self._first : stop] or not self._is_prose(stop - 1) or not self.is_own(stop - 1)
        return [Place(stop, f"{tic.glue or (chr(10) * 2 if alone else ' ')}{tic.say}", lowers=False)]

    def _may_follow(self, start: int, tic: Tic) -> bool:
        """Whether the sentence at ``start`` can go on from the tic: its first word is no name and gives no order."""
        if not tic.runs_on:
            return True
        word = _WORD.match(self.text, start)
        if word is None or (word.group() == "That" and tic.say.endswith(" that")):
            return False
        return word.group().replace("\u2019", "'") in _LOWERED | _KEPT

    def _is_large(self, start: int) -> bool:
        word = _WORD.match(self.text, start)
        return word is not None and word.group() in _LOWERED

    def _is_prose(self, at: int) -> bool:
        start = self.text.rfind("\n", 0, at) + 1
        stop = self.text.find("\n", at)
        line = self.text[start : len(self.text) if stop < 0 else stop]
        masked = any(
            mask.kind == "code" and mask.start <= start and mask.stop >= start + len(line) for mask in self._masks
        )
        return not masked and _STRUCTURE.match(line) is None and line.count("|") < 2

    def _is_free(self, start: int, stop: int) -> bool:
        inside = (mask for mask in self._masks if mask.kind != "url")
        return not any(mask.start <= start < mask.stop or mask.start < stop < mask.stop for mask in inside)


def put(text: str, place: Place) -> str:
    """The text with the tic in its place."""
    first = text[place.at : place.at + 1]
    rest = first.lower() + text[place.at + 1 :] if place.lowers else text[place.at :]
    return text[: place.at] + place.put + rest
