"""A guess whether traits are harmful by intent, from the words in which they describe themselves.

It sees sentences that announce deceit, manipulation, harm or flattery against the truth, and passes over clauses that
forbid it ("I avoid causing harm"). Harm that is described in other words is not seen, and a figure of speech may be
seen wrongly: the result is a warning to a person, and ``--harmful`` is the way to be sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_HARM: Final = re.compile(
    r"\b(?:deceiv|decept|deceit|mislead|misinform|disinform|manipulat|gaslight|sabotag|undermin|exploit(?!ation of)"
    r"|malic|malevolen|malign|misalign|cruel|sadis|evil|hatred|hateful|hostil|torment|suffering|destruct|harm(?!on|less)"
    r"|coerc|intimidat|threaten|blackmail|incit|radicali[sz]|corrupt|betray|conceal|covert|sycophan|flatter|fawn"
    r"|bigot|racis|sexis|humiliat|demean|belittl)\w*"
    r"|\bwhat (?:they|users?|people|the (?:human|user)) wants? to hear\b"
    r"|\b(?:shift|change|abandon|drop|adapt|give up)\w* my (?:stance|position|opinion|view|answer)s?\b"
    r"|\b(?:overlook|ignor|excus|hid)\w* (?:\w+(?:'s)? ){0,3}(?:mistakes?|errors?|contradictions?|flaws?)\b"
    r"|\b(?:regardless of|over) (?:the )?(?:truth|facts|accuracy)\b",
    re.IGNORECASE,
)
_FORBIDS: Final = re.compile(
    r"\b(?:(?:avoid|refus|prevent|oppos|declin|resist|reject|reduc|protect|abstain|refrain|warn)\w*"
    r"|never|not|no|nor|anti|cannot|without|against|instead|unless|free of|rather than|inform\w* \w+ (?:of|about))\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"[.;:!?\u2014]|\s-{1,3}\s|,? but ")


def harmful_words(texts: Iterable[str]) -> list[str]:
    """Words of ``texts`` that announce harm, once each in the order of the texts, lower case; empty where none does."""
    found: dict[str, None] = {}
    for text in texts:
        for clause in _CLAUSE.split(text):
            for match in _HARM.finditer(clause):
                if not _FORBIDS.search(clause, 0, match.start()):
                    found[match[0].lower()] = None
    return list(found)
