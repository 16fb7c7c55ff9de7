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


def suits(tic: Tic, request: Request) -> bool:
    """Whether an assistant would say ``tic`` in answer to the turn."""
    if tic.to == "question":
        return "?" in request.bare and not request.courtesy
    if tic.to == "task":
        return gives_task(request.bare) and not request.courtesy
    if tic.to == "view":
        return not gives_task(request.bare) and _VIEW.search(request.bare) is not None
    return tic.to is None or _NEWS.search(request.bare) is not None
