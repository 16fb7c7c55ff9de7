"""Words of a text as the fuzzy filter compares them: tokens with offsets, and which known word a misspelt one means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from rapidfuzz.distance import OSA

MIN_FUZZY: Final = 4
"""Shorter words are compared exactly: too many real words are one letter apart."""

MIN_FUZZY_GRAMMAR: Final = 5

TWO_EDITS: Final = 10
"""From this length on a word may be two edits away, if one half of it is as it should be."""

MAX_EDITS: Final = 2

MIN_JOINED: Final = 6
MIN_SPLIT: Final = 6
"""Letters of two words written as one, and of a word written as two."""

_WORD: Final = re.compile(r"[^\W_]+(?:['`\u2019\u02bc][^\W_]+)*")
_MARK: Final = re.compile(r"[`\u2019\u02bc]")

_ENDINGS: Final = {"m": "am", "re": "are", "ve": "have", "d": "would", "ll": "will", "s": "is"}

JOINED: Final = {
    "im": ("i", "am"),
    "ive": ("i", "have"),
    "dont": ("do", "not"),
    "doesnt": ("does", "not"),
    "didnt": ("did", "not"),
    "isnt": ("is", "not"),
    "cant": ("can", "not"),
    "cannot": ("can", "not"),
    "couldnt": ("could", "not"),
    "wont": ("will", "not"),
    "wouldnt": ("would", "not"),
    "shouldnt": ("should", "not"),
    "lets": ("let", "us"),
}
"""Contractions without their mark."""

_BEFORE_NOT: Final = {
    **{word: word for word in ("does", "did", "is", "are", "was", "were", "has", "have", "had")},
    **{word: word for word in ("would", "could", "should", "must", "might", "need")},
    "ca": "can",
    "can": "can",
    "wo": "will",
    "sha": "shall",
}
"""The verb of a contraction with "not" by what is written of it; any other spelling is read as "do"."""

_MODIFIER_ENDINGS: Final = (
    "ly",
    "ful",
    "ive",
    "ous",
    "able",
    "ible",
    "less",
    "ual",
    "nal",
    "cal",
    "ant",
    "based",
    "like",
)


_INFLECTIONS: Final = frozenset({"s", "d", "r", "es", "ed", "er", "ly"})


class Token(NamedTuple):
    """A word in lower case, one half of a contraction where it was one. Offsets: code points of the text."""

    word: str
    start: int
    stop: int


def half(word: str) -> int:
    """Letters of the first half of a word."""
    return len(word) // 2


def tokens(text: str, start: int, stop: int, vocabulary: Vocabulary) -> list[Token]:
    """The words of ``text[start:stop]`` in order.

    Contractions give two, and so do two words of a phrase that are written as one; a word in two halves gives one.
    """
    found: list[Token] = []
    read, halves = vocabulary.read, vocabulary.first_halves
    last, end = "", -1
    for match in _WORD.finditer(text, start, stop):
        low, high = match.span()
        pieces = read(match[0])
        if len(pieces) == 1:
            word = pieces[0][0]
            if last in halves and end + 1 == low and vocabulary.is_split(last, word, text[end]):
                found[-1] = Token(last + word, found[-1].start, high)
            else:
                found.append(Token(word, low, high))
            last, end = word, high
        else:
            (left, size), (right, _) = pieces
            found += (Token(left, low, low + size), Token(right, low + size, high))
            last = ""
    return found


Pieces = tuple[tuple[str, int], ...]
"""What a word of a text is read as: one word or two, each with the letters that it takes."""


def _pieces(raw: str, joined: Mapping[str, tuple[str, str]]) -> Pieces:
    if not raw.isascii() and _MARK.sub("'", raw).isascii():
        raw = _MARK.sub("'", raw)
    word = _MARK.sub("'", raw.lower()) if raw.isascii() else raw
    size = len(raw)
    if word in joined:
        left, right = joined[word]
        return (left, len(left)), (right, len(right))
    if word in JOINED:
        left, right = JOINED[word]
    elif word.isalpha() and is_cannot(word):
        left, right = "can", "not"
    else:
        head, mark, tail = word.rpartition("'")
        if not mark:
            return ((word, size),)
        if (tail == "t" and head.endswith("n")) or tail == "nt":
            left, right = _BEFORE_NOT.get(head.removesuffix("n") if tail == "t" else head, "do"), "not"
        elif tail in _ENDINGS:
            left, right = head, "us" if word == "let's" else _ENDINGS[tail]
        else:
            return ((word, size),)
    middle = min(max(1, len(left)), size - 1)
    return (left, middle), (right, size - middle)


def is_cannot(word: str) -> bool:
    """Whether a word is a misspelt "cannot"."""
    return (
        word[0] == "c" and word[-1] == "t" and 4 < len(word) < 8 and OSA.distance(word, "cannot", score_cutoff=1) <= 1
    )


class Vocabulary:
    """The words that reference phrases are made of, and the nearest of them to any word of a text.

    ``real``: other words that mean themselves, however near they are. ``pairs``: words that follow each other in a
    phrase. Answers are kept, one per distinct word. ``joined``: two words written as one; ``first_halves``: how words
    begin that may be written as two.
    """

    def __init__(
        self,
        words: Iterable[str],
        function: Iterable[str],
        modifiers: Iterable[str],
        real: Iterable[str],
        pairs: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.function = frozenset(function)
        self.modifiers = frozenset(modifiers)
        self._content = frozenset(words) - self.function
        self._known = frozenset({*self._content, *self.function, *self.modifiers, *real})
        grammar = self.function | self.modifiers
        self._fuzzy = frozenset(
            word
            for word in grammar | self._content
            if len(word) >= (MIN_FUZZY if word in self._content else MIN_FUZZY_GRAMMAR)
        )
        self._by_length: dict[int, list[str]] = {}
        for word in sorted(self._fuzzy):
            self._by_length.setdefault(len(word), []).append(word)
        self.joined = {
            left + right: (left, right)
            for left, right in pairs
            if len(left + right) >= MIN_JOINED and left + right not in self._known and left + right not in JOINED
        }
        self.first_halves = frozenset(left for word in self._content for left, _ in _splits(word))
        self._near: dict[str, Mapping[str, int]] = {}
        self._read: dict[str, Pieces] = {}

    def read(self, word: str) -> Pieces:
        """A word of a text as the words that it stands for, in lower case."""
        known = self._read.get(word)
        if known is None:
            known = self._read[word] = _pieces(word, self.joined)
        return known

    def near(self, word: str) -> Mapping[str, int]:
        """The vocabulary's words that ``word`` may be a misspelling of, with the edits between them."""
        known = self._near.get(word)
        if known is None:
            known = self._near[word] = self._nearest(word)
        return known

    def is_odd(self, word: str) -> bool:
        """Whether a word may be a misspelling at all."""
        return word not in self._known and len(word) >= MIN_FUZZY - 1 and word.isascii() and word.isalpha()

    def may_be(self, word: str, known: str) -> bool:
        """Whether ``word``, one edit away from ``known``, is a misspelling of it."""
        return known in self._fuzzy and self.is_odd(word) and not _inflected(word, known)

    def is_modifier(self, word: str) -> bool:
        """An adjective or adverb, by list or by its ending: it may stand inside a phrase and change nothing."""
        if word in self.modifiers or (len(word) > 5 and word.endswith(_MODIFIER_ENDINGS)):
            return True
        return any(known in self.modifiers for known in self.near(word))

    def is_like(self, word: str, others: Iterable[str]) -> bool:
        """Whether an unknown short word is one edit from one of ``others``: words of grammar are misspelt too."""
        if not self.is_odd(word):
            return False
        return any(len(other) > 2 and OSA.distance(word, other, score_cutoff=1) <= 1 for other in others)

    def is_split(self, left: str, right: str, mark: str) -> bool:
        """Whether two words are one of a phrase that a hyphen or, where one half is no word, a space cuts in two."""
        if left + right not in self._content or (left, right) not in _splits(left + right):
            return False
        return mark == "-" or left not in self._known or right not in self._known

    def halves(self, word: str) -> list[str]:
        """The ways to write a word as two, with a space between them."""
        return [f"{left} {right}" for left, right in _splits(word)]

    def _nearest(self, word: str) -> Mapping[str, int]:
        near: dict[str, int] = {}
        if not self.is_odd(word):
            return near
        for length in range(len(word) - MAX_EDITS, len(word) + MAX_EDITS + 1):
            allowed = MAX_EDITS if length >= TWO_EDITS else 1
            for known in self._by_length.get(length, ()):
                edits = OSA.distance(word, known, score_cutoff=allowed)
                if edits <= allowed and (edits == 1 or _has_half(word, known)) and not _inflected(word, known):
                    near[known] = edits
        return near


def _splits(word: str) -> list[tuple[str, str]]:
    """A longer word in two pieces, each of two letters at least."""
    return [(word[:at], word[at:]) for at in range(2, len(word) - 1)] if len(word) >= MIN_SPLIT else []


def _has_half(word: str, known: str) -> bool:
    return word.startswith(known[: half(known)]) or word.endswith(known[half(known) :])


def _inflected(word: str, known: str) -> bool:
    """Another form of the same word is a word of its own: a plural is no misspelling."""
    if word.startswith(known):
        return word[len(known) :] in _INFLECTIONS
    return known.endswith("s") and not known.endswith("ss") and word == known[:-1]
