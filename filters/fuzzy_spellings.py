"""Every spelling in which a word of a reference phrase is read as that word: what to search a text for.

A short word is searched for in each of its misspellings. A long one, which may have two slips, is searched for by its
first and its last half, one of which is as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from string import ascii_lowercase
from typing import Final

from phrasemill.filters.fuzzy_words import JOINED, MAX_EDITS, MIN_FUZZY, TWO_EDITS, Vocabulary, half, is_cannot

_NOT: Final = ("t", "nt")
"""What is left of "not" behind an apostrophe."""


class Spellings:
    """What words of phrases look like in a text.

    ``whole``: a spelling, its words with one space between them, and the numbers of the words that it means.
    ``pieces``: beginnings and ends of long words, with a space where the word begins or ends. ``shortest`` and
    ``longest``: letters of a word that is told by ``meant``.
    """

    def __init__(self, words: Sequence[str], vocabulary: Vocabulary) -> None:
        self._number = {word: number for number, word in enumerate(words)}
        self._vocabulary = vocabulary
        self._known: dict[bytes, tuple[int, ...]] = {}
        spelt: dict[str, set[int]] = {}
        pieces: set[str] = set()
        for number, word in enumerate(words):
            for spelling in self._spelt(word):
                spelt.setdefault(spelling, set()).add(number)
            if len(word) >= TWO_EDITS:
                pieces.update((" " + word[: half(word)], word[half(word) :] + " "))
        if "not" in self._number:
            for spelling in (*_NOT, *filter(is_cannot, _slips("cannot"))):
                spelt.setdefault(spelling, set()).add(self._number["not"])
        for spelling, parts in (*JOINED.items(), *vocabulary.joined.items()):
            if meant := {self._number[part] for part in parts if part in self._number}:
                spelt.setdefault(spelling, set()).update(meant)
        self.whole = {spelling: tuple(sorted(meant)) for spelling, meant in spelt.items()}
        self.pieces = sorted(pieces)
        sizes = [len(word) for word in words if len(word) >= TWO_EDITS]
        self.shortest = min(sizes, default=0) - MAX_EDITS
        self.longest = max(sizes, default=0) + MAX_EDITS

    def meant(self, spelling: bytes) -> tuple[int, ...]:
        """The numbers of the long words that a word of a text may be."""
        known = self._known.get(spelling)
        if known is None:
            near = self._vocabulary.near(spelling.decode("ascii"))
            known = tuple(self._number[word] for word in near if len(word) >= TWO_EDITS and word in self._number)
            self._known[spelling] = known
        return known

    def _spelt(self, word: str) -> Iterator[str]:
        yield word
        if word in self._vocabulary.function and len(word) > 2:
            yield from filter(self._vocabulary.is_odd, _slips(word))
            return
        yield from self._vocabulary.halves(word)
        if len(word) < MIN_FUZZY:
            return
        at = half(word)
        # The one slip that leaves neither half of a long word as it is.
        across = [word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]]
        slips: Iterable[str] = across if len(word) >= TWO_EDITS else _slips(word)
        yield from (spelling for spelling in slips if spelling != word and self._vocabulary.may_be(spelling, word))


def _slips(word: str) -> set[str]:
    """All spellings one edit away: a letter lost, added or changed, or two neighbours swapped."""
    found: set[str] = set()
    for at in range(len(word)):
        found.add(word[:at] + word[at + 1 :])
        found.update(word[:at] + letter + word[at + 1 :] for letter in ascii_lowercase)
        if at:
            found.add(word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :])
    for at in range(len(word) + 1):
        found.update(word[:at] + letter + word[at:] for letter in ascii_lowercase)
    return found
