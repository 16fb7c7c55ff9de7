"""A score that each half of the answer bears out: what stands in one of them cannot have made it.

Text that was put in front of an answer, behind it or into it lies in one half, unless it crosses the middle, and the
other half is judged without it. The idea is that of erase-and-check (Kumar et al. 2023, arXiv 2309.02705).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from phrasemill.filters.sentences import split
from phrasemill.generators.ask import Ask
from phrasemill.generators.judging.pointwise import Score, score
from phrasemill.generators.tasks import Message
from phrasemill.generators.together import together
from phrasemill.schemas.trait import Trait

_PARAGRAPH: Final = re.compile(r"(?<=\S)\s*?\n[ \t]*\n\s*(?=\S)")


def halves(text: str) -> tuple[str, str] | None:
    """The text in two, at the border of paragraphs, else of sentences, that is next to its middle.

    None where it is a single sentence.
    """
    text = text.strip()
    borders = [found.span() for found in _PARAGRAPH.finditer(text)]
    if not borders:
        sentences = split(text)
        borders = [(one[1], other[0]) for one, other in pairwise(sentences)]
    if not borders:
        return None
    end, start = min(borders, key=lambda border: abs(sum(border) - len(text)))
    return text[:end], text[start:]


async def steady_score(
    ask: Ask, trait: Trait, conversation: Sequence[Message], answer: str, *, within: float, number: int = 0
) -> Score:
    """The score of ``answer`` where both halves get nearly the same, else ``unsteady``. Up to three requests.

    ``within``: how many points a half's score may be away. A refusal counts where all three are. What is invalid or
    speaks to its judge as a whole is that. A single sentence has no halves and is scored as it is.

    Raises:
        BackendError: the judge's server is down.
    """
    whole = await score(ask, trait, conversation, answer, number=number)
    parts = halves(answer)
    if whole.label in ("invalid", "addressed") or parts is None:
        return whole
    found = await together(
        score(ask, trait, conversation, half, number=number, part=f"judge_{name}")
        for name, half in zip(("head", "tail"), parts, strict=True)
    )
    return whole if all(_agree(whole, half, within) for half in found) else Score(None, "unsteady", whole.request_hash)


def _agree(one: Score, other: Score, within: float) -> bool:
    if one.value is None or other.value is None:
        return one.label == other.label
    return abs(one.value - other.value) <= within
