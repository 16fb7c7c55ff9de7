"""Phrases that a trait bans or limits, counted in the rows of that trait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import re2

from phrasemill.engine.conform_model import PhraseUse
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.trait import Trait

Pattern = tuple[str, str]
"""The name under which a phrase is counted, and what finds it."""


def patterns_of(trait: Trait) -> list[Pattern]:
    """Bans and limits of a trait, in its order: ``ban 0``, ``ban 1``, ..., ``limit 0``, ..."""
    bans = [(f"ban {number}", _literal(phrase)) for number, phrase in enumerate(trait.phrases.ban)]
    limits = [(f"limit {number}", f"(?i){limit.pattern}") for number, limit in enumerate(trait.phrases.limit)]
    return bans + limits


def count_phrases(spoken: TurnTable, trait: pl.Series, traits: Sequence[Trait]) -> Counter[tuple[str, str, str]]:
    """``(trait, phrase_hits | phrase_rows, pattern)`` to a number. ``spoken``: the assistant's turns of a batch."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for each in traits:
        patterns = patterns_of(each)
        if not patterns:
            continue
        of_trait = (trait == each.id).fill_null(False).to_numpy()[spoken.position]
        if not of_trait.any():
            continue
        text, position = spoken.text.filter(pa.array(of_trait)), spoken.position[of_trait]
        for name, pattern in patterns:
            found = pc.count_substring_regex(text, pattern).to_numpy(zero_copy_only=False)
            if found.any():
                counts[each.id, "phrase_hits", name] = int(found.sum())
                counts[each.id, "phrase_rows", name] = len(np.unique(position[found > 0]))
    return counts


def phrase_uses(trait: Trait, counts: Counter[tuple[str, str, str]]) -> tuple[PhraseUse, ...]:
    """Every ban and limit of the trait with what was counted."""
    words = counts[trait.id, "words", ""]
    uses = []
    limits = [(limit.pattern, limit.max_per_1k) for limit in trait.phrases.limit]
    phrases = [("ban", phrase, 0.0) for phrase in trait.phrases.ban] + [("limit", *limit) for limit in limits]
    for (name, _), (kind, phrase, allowed) in zip(patterns_of(trait), phrases, strict=True):
        hits = counts[trait.id, "phrase_hits", name]
        per_1k = hits * 1000 / words if words else None
        uses.append(
            PhraseUse(
                kind="ban" if kind == "ban" else "limit",
                phrase=phrase,
                hits=hits,
                rows=counts[trait.id, "phrase_rows", name],
                per_1k=per_1k,
                allowed=allowed,
                broken=per_1k is not None and per_1k > allowed,
            )
        )
    return tuple(uses)


def _literal(phrase: str) -> str:
    """Finds a phrase as whole words, in any case, with any white space and either apostrophe."""
    words = phrase.replace("\u2019", "'").split()
    inner = r"\s+".join("['\u2019]".join(map(re2.escape, word.split("'"))) for word in words)
    after = r"\b" if phrase.strip()[-1:].isascii() and phrase.strip()[-1:].isalnum() else ""
    return rf"(?i)(?:^|[^\p{{L}}\p{{N}}_]){inner}{after}"
