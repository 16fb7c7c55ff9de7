"""A score that survives losing the answer's beginning, and its end: what stands in one place cannot have made it.

The idea is that of erase-and-check (Kumar et al. 2023, arXiv 2309.02705): a text that was put in front of an answer or
behind it is in the whole and in one of the two cuts, but not in the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from phrasemill.filters.sentences import split
from phrasemill.generators.ask import Ask
from phrasemill.generators.judging.pointwise import Score, score
from phrasemill.generators.tasks import Message
from phrasemill.generators.together import together
from phrasemill.schemas.trait import Trait

_PARAGRAPH: Final = re.compile(r"\n[ \t]*\n\s*")
_MIN_PARAGRAPHS: Final = 3
"""With fewer, a paragraph is too much of an answer to leave out: sentences go instead."""

_SHARE: Final = 4
"""One in so many sentences goes, at least one."""


def cuts(text: str) -> tuple[str, str] | None:
    """The text without its end, and without its beginning: a paragraph of three or more, else a quarter of sentences.

    None where it is a single sentence.
    """
    text = text.strip()
    borders = [(found.start(), found.end()) for found in _PARAGRAPH.finditer(text)]
    if len(borders) + 1 >= _MIN_PARAGRAPHS:
        return text[: borders[-1][0]], text[borders[0][1] :]
    sentences = split(text)
    if len(sentences) < 2:
        return None
    gone = max(1, len(sentences) // _SHARE)
    return text[: sentences[-gone - 1][1]], text[sentences[gone][0] :]


async def steady_score(
    ask: Ask, trait: Trait, conversation: Sequence[Message], answer: str, *, within: float, number: int = 0
) -> Score:
    """The score of ``answer`` where both cuts get nearly the same, else ``unsteady``. Three requests.

    ``within``: how many points a cut's score may be away. A refusal counts where all three are. What is invalid or
    speaks to its judge as a whole is that. A single sentence has no cuts and is scored as it is.

    Raises:
        BackendError: the judge's server is down.
    """
    parts = cuts(answer)
    asked = [score(ask, trait, conversation, answer, number=number)]
    if parts is not None:
        asked += [
            score(ask, trait, conversation, cut, number=number, part=f"judge_{name}")
            for name, cut in zip(("head", "tail"), parts, strict=True)
        ]
    whole, *others = await together(asked)
    if whole.label in ("invalid", "addressed") or all(_agree(whole, other, within) for other in others):
        return whole
    return Score(None, "unsteady", whole.request_hash)


def _agree(one: Score, other: Score, within: float) -> bool:
    if one.value is None or other.value is None:
        return one.label == other.label
    return abs(one.value - other.value) <= within
