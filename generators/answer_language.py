"""Whether an answer is in another language than what it answers, where nobody wanted that."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import re2

from phrasemill.filters.detect import UNDECIDED, detect

_LEAST_ASKED: Final = 30
_LEAST_SAID: Final = 60
"""Characters; the language of less is a guess."""

_CONFIDENT: Final = 0.9
_END_CHARS: Final = 300

_ABOUT_LANGUAGE: Final = re2.compile(
    r"(?i)translat|transliterat|language|\bin (?:both|two|another)\b|bilingual|lyrics|pronounc|\baccent|(?:\b"
    r"|_)(?:english"
    r"|spanish|french|german|italian|portuguese|brazilian|latin|dutch|polish|russian|ukrainian|greek|turkish"
    r"|arabic|hebrew"
    r"|persian|farsi|hindi|urdu|bengali|tamil|chinese|mandarin|cantonese|japanese|korean|vietnamese|thai"
    r"|indonesian|malay"
    r"|swedish|norwegian|danish|finnish|czech|hungarian|romanian|catalan|tagalog|swahili|esperanto)"
    r"|\x{fc}bersetz|traduc|traduis|traduz|traduir|tradurr|vertaal|\x{43f}\x{435}\x{440}\x{435}\x{432}\x{435}\x{434}"
    r"|\x{7ffb}\x{8bd1}|\x{7ffb}\x{8a33}|\x{8a9e}|\x{8bed}|\x{6587}"
    r"|\b(?:auf|en|in|em|na|po) (?:deutsch|englisch|franz\x{f6}sisch|espa\x{f1}ol|ingl\x{e9}s|anglais"
    r"|fran\x{e7}ais|italiano"
    r"|inglese|portugu\x{ea}s|ingl\x{ea}s|\x{430}\x{43d}\x{433}\x{43b}\w+|\x{440}\x{443}\x{441}\w+)"
)
"""A prompt that speaks of languages may want any."""

_ENGLISH: Final = re2.compile(
    r"(?i)(?:\b(?:the|and|that|you|your|with|this|these|from|have|which|what|how|why|does|is|of|to|are"
    r"|should)\b(?s:.*?)){3}"
)
"""Three of these at the beginning of both texts, and both are English: the usual case, told without a model."""

_SIBLINGS: Final = (
    frozenset({"no", "nb", "nn", "da", "sv"}),
    frozenset({"hr", "sr", "bs", "sl", "mk", "bg"}),
    frozenset({"id", "ms", "jv"}),
    frozenset({"es", "gl", "pt", "ca", "an", "oc"}),
    frozenset({"cs", "sk"}),
    frozenset({"ru", "uk", "be"}),
    frozenset({"zh", "ja"}),
    frozenset({"nl", "af", "lb"}),
)
"""Languages that are taken for each other."""


def switched_to(prompt: str, answer: str) -> str | None:
    """The two-letter code of the answer's language where it is certainly not that of the prompt; None otherwise.

    A prompt that is in one language at its beginning and in another at its end brings material; nothing is said then,
    nor where it speaks of a language or of translating.
    """
    if len(prompt) < _LEAST_ASKED or len(answer) < _LEAST_SAID or _ABOUT_LANGUAGE.search(prompt):
        return None
    if _ENGLISH.search(prompt[:_END_CHARS]) and _ENGLISH.search(answer[:_END_CHARS]):
        return None
    texts = pa.array([answer, prompt, prompt[-_END_CHARS:]], pa.large_string())
    codes, sure = detect(texts)
    said, asked, ended = codes.to_pylist()
    if UNDECIDED in (said, asked) or said == asked or asked != ended or float(sure.min()) < _CONFIDENT:
        return None
    return None if any(said in family and asked in family for family in _SIBLINGS) else str(said)
