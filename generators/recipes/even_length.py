"""A sentence taken out of an answer, so that what was put in does not make it the longer one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from phrasemill.generators.recipes.tic_places import Prose

_MAX_TIMES: Final = 4
_SLACK: Final = 120
"""What goes is at most so many times as long as what came, and so many characters more: no more than must be."""

_POINTS_BACK: Final = re.compile(
    r"(?i)\A\W*(?:it|its|this|that|these|those|they|them|their|he|him|his|she|her|such|one|another|both|either|neither|here"
    r"|there|then|so|thus|hence|however|but|and|or|yet|still|also|too|instead|otherwise|therefore|besides|moreover"
    r"|furthermore|additionally|finally|second(?:ly)?|third(?:ly)?|next|last(?:ly)?|because|for example|for instance"
    r"|in addition|as a result|similarly|likewise|the (?:first|second|third|other|latter|former|same))\b"
)
"""First words of a sentence that lean on the one before it."""

_POINTS_NEAR: Final = re.compile(
    r"(?i)\A.{0,60}?\b(?:th[eo]se|the (?:first|second|third|other|latter|former|same)|another one|to check)\b"
)
"""Words near the beginning that do so too."""

_CARRIES: Final = re.compile(r"[\d`]")
"""A figure or a name in code: what a reader would miss."""

_LEADS_ON: Final = (":", ";", ",")


def without_a_sentence(rejected: str, chosen: str, *, made: bool) -> Iterator[str]:
    """``rejected``, which is ``chosen`` with something put in, less one sentence and so shorter.

    By how much, rising; the answer's second sentence, where many an answer says what was asked, comes last.

    Only a whole sentence of prose goes that stands in ``chosen`` behind another of its paragraph; never the answer's
    first or last, one that announces something or holds a figure, one on which the next leans, nor one of a text
    that is the user's (``made``: one was asked for). Nothing else changes.
    """
    added = len(rejected) - len(chosen)
    prose = Prose(chosen, made=made)
    inner = dict.fromkeys(chosen[start:stop] for start, stop in prose.sentences[1:-1] if prose.is_own(start))
    second = next(iter(inner), "")
    sentences = Prose(rejected).sentences
    found: list[tuple[bool, int, int]] = []
    for (_, start), (begin, stop), (then, end) in zip(sentences, sentences[1:], sentences[2:], strict=False):
        gap, one, rest = rejected[start:begin], rejected[begin:stop], rejected[stop:then]
        if (
            one in inner
            and added < stop - start <= _MAX_TIMES * added + _SLACK
            and not (gap.strip() or "\n" in gap or rest.strip())
            and not one.endswith(_LEADS_ON)
            and not _CARRIES.search(one)
            and not _leans(rejected[then:end])
        ):
            found.append((one == second, stop - start, start))
    return (rejected[:start] + rejected[start + length :] for _, length, start in sorted(found))


def _leans(sentence: str) -> bool:
    """Whether a sentence cannot do without the one before it, or is the rest of it."""
    begun = sentence.lstrip("\"'(*_\u201c\u2018")
    return not begun[:1].isupper() or bool(_POINTS_BACK.match(sentence) or _POINTS_NEAR.match(sentence))
