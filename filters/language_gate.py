"""Rules of several languages in one run: each holds only in turns of its own language, as far as that can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from phrasemill.filters.confirm import Candidate
from phrasemill.filters.detect import detect
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable

ANY_LANGUAGE: Final = "any"
"""The language of a pack whose rules hold in every turn."""

MIN_CONFIDENCE: Final = 0.6
"""From here on a detected language is believed; below, as in many turns of a few words, every rule holds."""


def by_language(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """The candidates of each language, with those of any language in every group; one group where there is no choice.

    Hits at the start and at the end of a turn build on each other, so rules that will not hold there must not take
    part: ``Claro!`` is Spanish and Portuguese, and only one of the two openers may stand.
    """
    languages = sorted({rule.language for rule, _ in candidates} - {ANY_LANGUAGE})
    if len(languages) < 2:
        return [list(candidates)]
    return [[each for each in candidates if each[0].language in (language, ANY_LANGUAGE)] for language in languages]


def in_their_language(hits: Sequence[Hit], languages: Mapping[str, str], turns: TurnTable) -> list[Hit]:
    """The hits whose rule is of the turn's language or of any, in order. ``languages``: of each rule, by its id.

    Only turns with a hit of a rule that is bound to a language are looked at, all at once. With rules of one language
    nothing is detected and every hit stays. In a turn of a language that no rule is bound to, only rules of any
    language hold.
    """
    if len(set(languages.values()) - {ANY_LANGUAGE}) < 2:
        return list(hits)
    bound = sorted({hit.at for hit in hits if languages[hit.rule_id] != ANY_LANGUAGE})
    if not bound:
        return list(hits)
    codes, confidence = detect(turns.text.take(pa.array(np.array(bound, dtype=np.int64))))
    is_sure = (confidence >= MIN_CONFIDENCE).tolist()
    spoken = {at: code for at, code, sure in zip(bound, codes.to_pylist(), is_sure, strict=True) if sure}
    return [
        hit
        for hit in dict.fromkeys(hits)  # a rule of any language has been tried beside each language
        if languages[hit.rule_id] in (ANY_LANGUAGE, spoken.get(hit.at, languages[hit.rule_id]))
    ]
