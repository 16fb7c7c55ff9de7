"""Reference phrases: the file that holds them, and each one as a row of slots that words of a text are aligned to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Final, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from phrasemill.filters.fuzzy_words import Vocabulary
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import PackError
from phrasemill.schemas.rule import Examples, RuleId

PHRASES: Final = Path(__file__).parent / "phrases"
"""Where the reference phrases that ship with phrasemill are: a file ``NAME.yaml``."""

CONTENT: Final = 1.0
FUNCTION: Final = 0.2
"""What a slot weighs: a word that carries the phrase, and one that grammar could exchange."""

_ONE_EDIT: Final = 0.14
_ONE_EDIT_SHORT: Final = 0.22
_MORE_EDITS: Final = 0.3
_OTHER_FUNCTION: Final = 0.1
NEVER: Final = 9.0

CUES: Final = frozenset({"i", "my", "me", "im", "not", "it", "that", "you"})
"""Words of grammar that are searched for where a phrase requires them."""


class PhraseEntry(BaseModel):
    """One reference phrase in its wordings, and the context in which it counts.

    ``phrases``: words, ``{name}`` for any word of that list, ``?`` behind a word that may be missing, ``!`` behind
    one that may not, ``...`` for up to some free words, ``|`` before words that must follow but are no part of it.
    ``at``: ``start``, ``end``, ``sentence_start``, ``clause_start`` or ``anywhere``. ``span``: what is reported, the
    ``phrase`` with the comma behind it or any ``mark``, or all of its ``clause`` or ``sentence``.
    ``cut``: what a strip removes: the ``span``, or a ``frame`` where a sentence is left without it.
    ``follow``: must match right behind the phrase; ``unless``: must not match its sentence, the phrase shown as ``<>``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RuleId
    category: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    phrases: tuple[str, ...] = Field(min_length=1)
    at: Literal["start", "end", "sentence_start", "clause_start", "anywhere"] = "anywhere"
    threshold: float = Field(default=0.85, gt=0.0, le=1.0)
    span: Literal["phrase", "mark", "clause", "sentence"] = "phrase"
    cut: Literal["none", "span", "frame"] = "none"
    follow: str | None = None
    unless: tuple[str, ...] = ()
    examples: Examples = Examples()


class PhraseBook(BaseModel):
    """A file of reference phrases with its word lists. ``real``: words near to others that are no misspelling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RuleId
    version: int = Field(default=1, ge=1)
    language: str = "en"
    words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    function: tuple[str, ...]
    modifiers: tuple[str, ...]
    real: tuple[str, ...] = ()
    entries: tuple[PhraseEntry, ...] = Field(min_length=1)


@dataclass(slots=True)
class Slot:
    """One place of a phrase: the words that fill it, what it costs to leave out, and what each word costs in it."""

    words: frozenset[str]
    weight: float
    missing: float
    vocabulary: Vocabulary
    costs: dict[str, float] = field(default_factory=dict)

    @property
    def is_content(self) -> bool:
        """Whether this word carries the phrase."""
        return self.weight == CONTENT

    def cost(self, word: str) -> float:
        """What it costs to read ``word`` here; NEVER and more where it means something else."""
        known = self.costs.get(word)
        if known is None:
            known = self.costs[word] = self._cost(word)
        return known

    def _cost(self, word: str) -> float:
        if word in self.words:
            return 0.0
        near = self.vocabulary.near(word)
        edits = min((near[known] for known in self.words if known in near), default=0)
        if edits:
            return _MORE_EDITS if edits > 1 else _ONE_EDIT if len(word) > 5 else _ONE_EDIT_SHORT
        if self.weight == FUNCTION and self.vocabulary.is_like(word, self.words):
            return _OTHER_FUNCTION
        if self.missing != NEVER and self.weight == FUNCTION and word in self.vocabulary.function:
            return _OTHER_FUNCTION
        return NEVER


@dataclass(frozen=True, slots=True)
class Template:
    """One wording of an entry as slots. ``inside``: how many of them are the phrase; the rest must only follow.

    ``anchors``: the required slots whose words a text is searched for, in order.
    """

    entry: Entry
    slots: tuple[Slot, ...]
    required: tuple[Slot, ...]
    free_after: frozenset[int]
    inside: int
    weight: float
    anchors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry ready to use: its patterns compiled, its wordings as templates."""

    plain: PhraseEntry
    follow: re2._Regexp | None
    unless: tuple[re2._Regexp, ...]
    templates: list[Template]


def phrase_file(name: str) -> Path:
    """The file of a shipped name, or the path itself; PackError where there is neither."""
    for candidate in (PHRASES / f"{name}.yaml", Path(name)):
        if candidate.is_file():
            return candidate
    have = ", ".join(sorted(path.stem for path in PHRASES.glob("*.yaml")))
    raise PackError(f"no phrases {name!r}: neither a shipped name ({have}) nor a YAML file")


def read_phrases(name: str) -> PhraseBook:
    """The reference phrases of a shipped name or a path, checked; PackError names file and line."""
    return parse_model(PhraseBook, read_document(phrase_file(name)), PackError)


def compile_phrases(book: PhraseBook, where: str) -> list[Entry]:
    """All entries, ready to use. ``where`` (the file) starts the message of a PackError."""
    wordings = [(entry, phrase) for entry in book.entries for phrase in entry.phrases]
    words = {word for _, phrase in wordings for word in _plain_words(phrase)} | {
        word for name in book.words for word in book.words[name]
    }
    pairs = {pair for _, phrase in wordings for pair in _pairs(phrase, book)}
    vocabulary = Vocabulary(words, book.function, book.modifiers, book.real, pairs)
    entries: list[Entry] = []
    for plain in book.entries:
        place = f"{where}: entry {plain.id!r}"
        follow = None if plain.follow is None else _pattern(plain.follow, place)
        entry = Entry(plain, follow, tuple(_pattern(text, place) for text in plain.unless), [])
        entry.templates.extend(_template(entry, phrase, book, vocabulary, place) for phrase in plain.phrases)
        entries.append(entry)
    return entries


def _pattern(pattern: str, where: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(f"(?i){pattern}", options)
    except re2.error as error:
        detail = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise PackError(f"{where}: {detail} in {pattern!r}; expected RE2 syntax") from error


def _plain_words(phrase: str) -> list[str]:
    return [word.rstrip("?!") for word in phrase.split() if word not in ("...", "|") and not word.startswith("{")]


def _pairs(phrase: str, book: PhraseBook) -> Iterator[tuple[str, str]]:
    """Words that may follow each other in a wording, one of them at least no word of grammar."""
    slots = [
        book.words.get(text.strip("{}"), ()) if text.startswith("{") else (text,)
        for text in (piece.rstrip("?!") for piece in phrase.split())
        if text not in ("...", "|")
    ]
    for lefts, rights in pairwise(slots):
        for left, right in product(lefts, rights):
            if left not in book.function or right not in book.function:
                yield left, right


def _template(entry: Entry, phrase: str, book: PhraseBook, vocabulary: Vocabulary, where: str) -> Template:
    slots: list[Slot] = []
    free_after: set[int] = set()
    inside = -1
    for piece in phrase.split():
        if piece == "...":
            free_after.add(len(slots))
        elif piece == "|":
            inside = len(slots)
        else:
            slots.append(_slot(piece, book, vocabulary, where))
    weight = sum(slot.weight for slot in slots if slot.missing > 0)
    required = tuple(slot for slot in slots if slot.missing == NEVER)
    inside = len(slots) if inside < 0 else inside
    anchors = tuple(number for number, slot in enumerate(slots) if slot.missing == NEVER and _is_sought(slot))
    template = Template(entry, tuple(slots), required, frozenset(free_after), inside, weight, anchors)
    if not any(slot.is_content for slot in required):
        raise PackError(f"{where}: {phrase!r} requires no word to find it by; put ! behind one that carries it")
    return template


def _is_sought(slot: Slot) -> bool:
    return slot.is_content or slot.words <= CUES


def _slot(piece: str, book: PhraseBook, vocabulary: Vocabulary, where: str) -> Slot:
    text = piece.rstrip("?!")
    if text.startswith("{"):
        name = text.strip("{}")
        if name not in book.words:
            raise PackError(f"{where}: no word list {name!r}; have: {', '.join(sorted(book.words))}")
        words = frozenset(book.words[name])
    else:
        words = frozenset({text})
    weight = FUNCTION if words <= vocabulary.function else CONTENT
    missing = 0.0 if piece.endswith("?") else NEVER if piece.endswith("!") else weight
    return Slot(words, weight, missing, vocabulary)
