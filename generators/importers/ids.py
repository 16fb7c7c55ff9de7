"""Ids that stay when a file is imported again: made of words that stand there, never of positions."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

from blake3 import blake3

MAX_ID: Final = 60
_HASH: Final = 8
_CUT: Final = MAX_ID - _HASH - 1
_WORD: Final = re.compile(r"[a-z0-9_]+")
_SMALL: Final = frozenset(
    (
        *("a", "am", "an", "and", "are", "as", "at", "be", "by", "even", "for", "from", "i", "if", "in", "is", "it"),
        *("me", "my", "of", "on", "or", "so", "that", "the", "their", "them", "they", "this", "to", "very", "we"),
        *("when", "with", "you", "your"),
    )
)


def slug(text: str, words: int | None = None) -> str:
    """Lower-case ASCII words joined by hyphens, at most ``words`` of them; small words only where there is no other.

    Text without a letter or digit of that kind becomes a part of its hash.
    """
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode().replace("'", "")
    found = [word.strip("_") for word in _WORD.findall(plain)]
    found = [word for word in found if word]
    if words is not None:
        found = ([word for word in found if word not in _SMALL] or found)[:words]
    return "-".join(found) or _digest(text)


def make_ids(prefix: str, named: Sequence[tuple[str, str]]) -> list[str]:
    """An id for each (slug, content), in order, all of them fit for a trait.

    One that several share, or that is too long, ends in a part of the hash of its content: so an id depends on no
    other item's place. Equal items have equal ids.
    """
    bases = [f"{prefix}{name}" for name, _ in named]
    different = set(zip(bases, (content for _, content in named), strict=True))
    times = Counter(base for base, _ in different)
    return [
        base if times[base] == 1 and len(base) <= MAX_ID else f"{base[:_CUT].rstrip('-_')}-{_digest(content)}"
        for base, (_, content) in zip(bases, named, strict=True)
    ]


def _digest(text: str) -> str:
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
