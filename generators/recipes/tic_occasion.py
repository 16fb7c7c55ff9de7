"""On which occasion a tic would be said: what the user turn must be, so that a rejected side reads like a real one."""

from __future__ import annotations

from typing import Final

import re2

from phrasemill.filters.questions import gives_task
from phrasemill.filters.request import Request
from phrasemill.generators.recipes.tics import Tic

_ASKS: Final = re2.compile(
    r"(?i)\?|\A\W*(?:so |and |but |ok(?:ay)?,? |hi,? |hello,? )?(?:what|which|who|whom|whose|where|when|why|how|is|are"
    r"|am|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might)\b"
)
_ORDERS: Final = re2.compile(
    r"(?i)(?:^|[.!?:\n]\s*|\bplease )(?:implement|determine|evaluate|categori[sz]e|construct|rank|sort|add|rephrase"
    r"|reword|paraphrase|change|turn|transform|choose|select|pick|compute|count|match|replace|remove|insert|complete|continue"
    r"|finish|predict|estimate|assess|arrange|group|label|annotate|develop|invent|imagine|brainstorm|propose|shorten"
    r"|extend|optimi[sz]e|debug|refactor|test|state|specify|highlight|demonstrate|justify|prove|derive|simulate|assign"
    r"|detect|produce|print|adapt|design|solve|split|merge|order) "
    r"|\bi(?:['\x{2019}]d like| would like| need| want) (?:you to|an? |some |the )"
    r"|\A\W*(?:another|one more|once more|again)\b"
)
_VIEW: Final = re2.compile(
    r"(?i)\b(?:do|did|would|could|have|are|were) you (?:\w+ )?(?:think|feel|like|love|hate|prefer|recommend|suggest"
    r"|believe|enjoy|want|choose|pick|buy|take|rate|rank|say|tried|try|been|seen|read|happy|afraid|excited|agree|miss|wish)\b"
    r"|\byour? (?:\w+ )?(?:opinion|view|thoughts?|advice|favou?rites?|experiences?|feelings?|recommendations?|taste)\b"
    r"|\b(?:should|shall|ought) (?:i|we)\b|\b(?:is|are) it (?:ok|okay|wrong|right|worth)\b"
    r"|\b(?:which|what|who)\b[^.?!\n]{0,40}\b(?:best|better|worst|nicest|prettiest|favou?rite)\b"
)
_NEWS: Final = re2.compile(
    r"(?i)\b(?:today|tonight|tomorrow|yesterday|right now|at the moment|up[- ]to[- ]date|opening hours"
    r"|this (?:week|month|year))\b|\b(?:latest|current) (?:\w+ )?(?:news|price|rate|version|score|weather|population"
    r"|president|government|champion|record|status|release)s?\b|\b(?:price|rate|weather|forecast) (?:of|in|for)\b"
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
    asked = request.bare
    if request.courtesy:
        return tic.to is None
    is_task = not request.yes_no and (gives_task(asked) or _ORDERS.search(asked) is not None)
    if tic.to == "question":
        return _ASKS.search(asked) is not None and not is_task
    if tic.to == "task":
        return is_task
    if tic.to == "view":
        return not is_task and _VIEW.search(asked) is not None
    return tic.to is None or _NEWS.search(asked) is not None
