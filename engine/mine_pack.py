"""The pack of a mining: its rules run over the same answers, with the rates and examples that come of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from phrasemill.engine.mine import Batch, Mined, Mining, Source, only
from phrasemill.filters.examples import run_examples
from phrasemill.filters.mining import Phrase
from phrasemill.filters.mining_examples import NEEDED, Examples, Probe, proven
from phrasemill.filters.mining_pack import draft_rules, pack_yaml
from phrasemill.filters.mining_tokens import MARKERS
from phrasemill.filters.regex import RegexFilter
from phrasemill.schemas.rule import Examples as RuleExamples
from phrasemill.schemas.rule import Rule, RulePack

PACK_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,29}")
"""What the name of a pack's file must be, without its ending: it stands before the id of each rule."""


@dataclass(frozen=True, slots=True)
class MinedPack:
    """A pack whose examples hold; by place of the phrase a sentence that shows it, and the id of its rule, if any."""

    pack: RulePack
    shown: Mapping[int, str]
    rules: Mapping[int, str]


def prove(mined: Mined, mining: Mining, source: Source, name: str) -> MinedPack:
    """Run the rules of the phrases over the answers that were counted; keep those that examples can show.

    ``name``: the pack's id, in front of the ids of its rules. A rule is left out where another hits all its examples
    first, or where too few sentences show it.
    """
    rules = draft_rules(mined.phrases, name)
    pack = RulePack(id=name, description=description(mined, mining), rules=rules)
    with tempfile.TemporaryDirectory(prefix="phrasemill-mine-") as folder:
        path = Path(folder, f"{name}.yaml")
        if rules:
            probes = [
                Probe(rule.id, _longest_word(phrase), rule.at)
                for rule, phrase in zip(rules, mined.phrases, strict=True)
            ]
            path.write_text(pack_yaml(pack), "utf-8")
            examples = Examples(RegexFilter(packs=(str(path),)), probes)
            for batch in source.batches("measuring"):
                examples.add(only(batch.turns, _counted(batch, mined)), is_here=batch.is_here)
            examples.fill()
            noted = [_with_note(rule, mined, examples, place) for place, rule in enumerate(rules)]
            pack = _proven(pack.model_copy(update={"rules": tuple(noted)}), path)
            shown = {place: texts[0] for place, rule in enumerate(rules) if (texts := examples.hits.get(rule.id))}
        else:
            shown = {}
    kept = {rule.id for rule in pack.rules}
    return MinedPack(pack, shown, {place: rule.id for place, rule in enumerate(rules) if rule.id in kept})


def _proven(pack: RulePack, path: Path) -> RulePack:
    """The rules whose examples hold while all of them are in use. What is left out may change what others hit."""
    while pack.rules:
        path.write_text(pack_yaml(pack), "utf-8")
        outcomes = run_examples([str(path)])
        hits, misses = proven(outcomes)
        rules = tuple(
            rule.model_copy(update={"examples": RuleExamples(hit=tuple(hit), miss=tuple(miss))})
            for rule in pack.rules
            if len(hit := hits.get(rule.id, [])) >= NEEDED and len(miss := misses.get(rule.id, [])) >= NEEDED
        )
        is_done = len(rules) == len(pack.rules) and all(outcome.passed for outcome in outcomes)
        pack = pack.model_copy(update={"rules": rules})
        if is_done:
            break
    return pack


def _counted(batch: Batch, mined: Mined) -> npt.NDArray[np.bool_]:
    """Which answers of a batch were counted: the others had other prompts, or were too many."""
    known = mined.here_keys if batch.is_here else mined.elsewhere_keys
    return np.isin(batch.keys, known)


def _longest_word(phrase: Phrase) -> str:
    return max((token for token in phrase.tokens if token not in MARKERS), key=len)


def _with_note(rule: Rule, mined: Mined, examples: Examples, place: int) -> Rule:
    """The rule with its examples, and with what was measured."""
    phrase = mined.phrases[place]
    parts = [f"hits {_rate(examples.here[rule.id], phrase.n_here)} answers"]
    if mined.against == "words":
        parts.append(f"words that fall where they may would give {phrase.elsewhere:.2g}")
    else:
        parts.append(f"elsewhere {_rate(examples.elsewhere[rule.id], phrase.n_elsewhere)}")
    parts.append(f"z {phrase.z:.1f}, q {phrase.q:.1e}, {phrase.prompts:,} prompts")
    if rule.at in ("start", "end"):
        category = "opener" if rule.at == "start" else "closer"
        parts.append(f"if the answer is whole without it: category {category}, frame match")
    known = RuleExamples(hit=tuple(examples.hits.get(rule.id, ())), miss=tuple(examples.misses.get(rule.id, ())))
    return rule.model_copy(update={"note": "; ".join(parts), "examples": known})


def _rate(count: int, of: int) -> str:
    return f"{count:,} of {of:,} ({count / max(of, 1):.2%})"


def description(mined: Mined, mining: Mining) -> str:
    """What was compared with what, in a sentence or two."""
    who = f"answers with {mining.by} {mining.model}" if mining.by is not None else "the answers"
    other = {
        "sources": "those of the other sources",
        "corpus": "those of another corpus",
        "words": "word frequencies",
    }[mined.against]
    on = " on the same prompts" if mined.matched else ""
    return f"Mined from {who} ({len(mined.here_keys):,}), compared with {other}{on}. Review every rule before use."
