"""On which occasion a tic would be said: what the user turn must be, so that a rejected side reads like a real one."""

from __future__ import annotations

from typing import Final

import re2

from phrasemill.filters.questions import gives_task
from phrasemill.filters.request import Request
from phrasemill.generators.recipes.tics import Tic

_VIEW: Final = re2.compile(
    r"(?i)\b(?:what|how|who|where|when|which|why|have|do|did|would|could|can|are|were) (?:\w+ ){0,3}you(?:r|rself)?\b"
    r"|\byour? (?:\w+ )?(?:opinion|view|thoughts?|advice|favou?rites?|experiences?|feelings?|recommendations?)\b"
    r"|\b(?:should|shall|ought) (?:i|we)\b|\b(?:is|are) it (?:ok|okay|wrong|right|worth)\b"
    r"|\b(?:best|better|worst|worse)\b"
)
_NEWS: Final = re2.compile(
    r"(?i)\b(?:today|tonight|tomorrow|yesterday|currently|current|latest|recent(?:ly)?|right now|nowadays|this (?:week"
    r"|month|year)|news|weather|forecast|prices?|stocks?|score|opening hours|up[- ]to[- ]date)\b"
)
_TEXT: Final = re2.compile(
    r"(?i)\b(?:reference|recommendation|testimonial|letter|e-?mail|message|note|reply|invitation|complaint|apology|eulogy"
    r"|speech|toast|poem|haiku|limerick|verse|song|story|caption|tweet|post|headline|slogan|tagline|title|bio|blurb"
    r"|advert|description|review|announcement|summary|translation) (?:for|to|from|about|of|on|in|that|saying)\b"
)


def wants_text(request: Request) -> bool:
    """Whether a text is asked for that the user will use, with a verb or without one ("a note to my neighbours")."""
    return request.kind is not None or _TEXT.search(request.bare) is not None


def suits(tic: Tic, request: Request) -> bool:
    """Whether an assistant would say ``tic`` in answer to the turn."""
    if tic.to == "question":
        return "?" in request.bare and not request.courtesy
    if tic.to == "task":
        return gives_task(request.bare) and not request.courtesy and not request.yes_no
    if tic.to == "view":
        return not gives_task(request.bare) and _VIEW.search(request.bare) is not None
    return tic.to is None or _NEWS.search(request.bare) is not None
