"""Cheap signals that a sentence may be of a category: where it stands, and words of one kind beside words of another.

An assistant speaks of itself, refuses, flatters and preaches mostly where its answer begins: there every sentence is in
doubt, for such things can be said in any words (for two categories, if a word points at somebody or denies). Behind
that it takes words of two kinds in one sentence.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from phrasemill.filters.classifier_model import CATEGORIES

Mask = npt.NDArray[np.bool_]

_ME: Final = r"\b(?:I|me|my|myself|mine)\b"
_NATURE: Final = (
    r"\b(?:AI|A\.I|artificial|machine|computer|software|program(?:s|med|ming)?|algorithms?|chat ?bot|bot"
    r"|language model"
    r"|LLM|neural|assistant|text-based|automated|digital|virtual|code|weights|trained|training|data ?base"
    r"|data ?set|data"
    r"|knowledge|cut-?off|designed|developers|creators|makers|human(?:s|-like)?|person|people do|sentient"
    r"|conscious(?:ness)?"
    r"|alive|living being|body|physical(?:ly)?|feelings?|emotions?|emotional|opinions?|beliefs?|preferences?"
    r"|favou?rites?"
    r"|models?|systems? like|built me|made me|text generator|generative|updated?|taste|senses|experiences?|memory"
    r"|memories|remember|recall|access|browse|internet|real-time|conversations?|chats?)\b"
)
_UNABLE: Final = (
    r"(?:\b(?:cannot|can not|can['\x{2019}]?t|won['\x{2019}]?t|will not|couldn['\x{2019}]t|could not"
    r"|shouldn['\x{2019}]t"
    r"|not able|unable|not going to|not willing|not comfortable|not allowed|not permitted|not authori[sz]ed"
    r"|not appropriate"
    r"|not ethical|not right|not safe|not possible|impossible|inappropriate|unethical|irresponsible|rather not"
    r"|refuse|refus"
    r"|declin(?:e|ing)|refrain|abstain|must say no|have to pass|not something|not in a position|don['\x{2019}]t feel"
    r"|do not feel|don['\x{2019}]t have|do not have|have no|not have|lack|against my|beyond my|outside my"
    r"|outside of my"
    r"|turn(?:ing)? (?:this|that|it|your request) down|say no|no way (?:for me )?to|not qualified|in no position"
    r"|not prepared|not my place"
    r"|draw the line|goes? against|elsewhere|(?:don['\x{2019}]t|do not) (?:write|give|provide|engage|assist"
    r"|create|generate|wish)"
    r"|out of my|guidelines|principles|off limits|condone|not engage|unwilling|prefer not|not the right"
    r"|choose not|stop here"
    r"|sorry|apologi[sz]e|afraid|unfortunately|regret)\b)"
)
_TASK: Final = (
    r"\b(?:assist\w{0,5}|help(?:ing)?|provid(?:e|ing)|answer(?:ing)?|fulfil{1,2}|comply|requests?|questions?"
    r"|generat(?:e|ing)"
    r"|create|creating|writ(?:e|ing)|access|browse|information|instructions|discuss|engage|continue|recommend"
    r"|advice|advise"
    r"|support|share|offer|produce|respond|explain|describe|topic|content|guidance|data|illegal|harmful|opinions?"
    r"|guidelines)\b"
)
_OUGHT: Final = (
    r"\b(?:important|essential|crucial|vital|imperative|should(?:n['\x{2019}]t)?|must|ought|never|always|need to"
    r"|let['\x{2019}]?s"
    r"|let us|please|remember|not (?:okay|ok|right|fair|acceptable|appropriate|ethical)|wrong|unacceptable"
    r"|harmful|hurtful"
    r"|disrespectful|offensive|inappropriate|unethical|immoral|perpetuat\w{1,5}|condone|no place|urge|encourage"
    r"|promot\w{1,4}"
    r"|instead of|rather than|deserves?|inexcusable|goes against|responsib(?:ility|ly|le)|consider|mindful|duty"
    r"|strive)\b"
)
_MORAL: Final = (
    r"\b(?:respect(?:ful|fully|ed|ing)?|disrespect(?:ful)?|kind(?:ness)?|empathy|compassion(?:ate)?|dignity"
    r"|toleran(?:t|ce)"
    r"|inclusiv\w{1,5}|inclusion|diversity|equal(?:ly|ity)?|fair(?:ly|ness)|unfair|stereotyp\w{1,5}"
    r"|prejudic\w{1,3}|bias(?:es)?"
    r"|hate|hatred|hateful|violence|violent|discriminat\w{1,5}|racis[mt]|sexis[mt]|bully(?:ing)?|harass\w{0,5}"
    r"|harm(?:ful|s|ing)?"
    r"|hurt(?:ful|s|ing)?|offensive|demean\w{0,3}|derogatory|mock(?:ing)?|consent|privacy|ethic(?:s|al|ally)?"
    r"|unethical"
    r"|moral(?:ly|s)?|immoral|honest(?:y|ly)?|dishonest\w{0,2}|integrity|responsib(?:ly|ility)|illegal"
    r"|sensitiv(?:e|ity)"
    r"|vulnerable|marginali[sz]ed|generali[sz]\w{1,6}|assumptions|judg(?:e|ing|mental)|cheat(?:ing)?|lying"
    r"|steal(?:ing)?"
    r"|revenge|cruel(?:ty)?|objectif\w{1,8}|body shaming|beliefs|cultures?|feelings|boundaries|background|wellbeing"
    r"|well-being|communit(?:y|ies)|love|others|everyone|each other|one another|wrong|decency|society|trust)\b"
)

_POINTS: Final = (
    r"\b(?:I|me|my|myself|mine|we|us|our|you|your|this|here|no|not|none|nobody|nothing|never|without)\b"
    r"|n['\x{2019}]t\b|\b(?:sorry|declined|refused|denied)\b"
)
_START: Final = {"ai_self_reference": _POINTS, "refusal": _POINTS}
"""Near the start of a turn: who speaks of himself or says no has a word for himself, the other, or the no."""

_TOGETHER: Final = {
    "ai_self_reference": (_ME, _NATURE),
    "refusal": (_ME, _UNABLE, _TASK),
    "moralising": (_MORAL, _OUGHT),
}
"""In one sentence, anywhere. Flattery is not looked for there: in between it is praise of something else.

The rarest comes first: the next is looked for only in what it leaves."""

START_BYTES: Final = 200
"""How far from the start of a turn every sentence is in doubt."""


def long_doubt(texts: pl.Series) -> Mask:
    """The turns that may have a cue behind their start: one bool per text."""
    return _as_mask(texts.str.contains(_ascii(f"{_ME}|{_MORAL}")))


def sentences_in_doubt(sentences: pl.Series, at_start: Mask) -> Mask:
    """Which categories each sentence may be of: a row per sentence, a column per category.

    ``at_start``: the sentences that begin within ``START_BYTES`` of their turn.
    """
    doubt = np.repeat(at_start[:, None], len(CATEGORIES), axis=1)
    rows = np.flatnonzero(at_start)
    for name, pattern in _START.items():
        doubt[rows, CATEGORIES.index(name)] = _as_mask(sentences.gather(rows).str.contains(_ascii(pattern)))
    rows = np.flatnonzero(~at_start)
    late = sentences.gather(rows)
    for name, patterns in _TOGETHER.items():
        at = np.arange(len(rows))
        for pattern in patterns:
            at = at[_as_mask(late.gather(at).str.contains(_ascii(pattern)))]
        doubt[rows[at], CATEGORIES.index(name)] = True
    return doubt


def _as_mask(column: pl.Series) -> Mask:
    mask: Mask = column.to_numpy()
    return mask


def _ascii(pattern: str) -> str:
    r"""The pattern for small and capital letters, with borders and ``\w`` of ASCII: Unicode's are four times slower."""
    return "(?i)" + pattern.replace(r"\b", r"(?-u:\b)").replace(r"\w", "[a-z]")
