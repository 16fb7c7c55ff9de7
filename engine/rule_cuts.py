"""Examples that show the text after a strip, run through the same find, decide and mend as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from phrasemill.engine.judge_turns import Judge, judge_turns
from phrasemill.filters.examples import Case, Outcome, conversations
from phrasemill.filters.regex import RegexFilter
from phrasemill.schemas.policy import DEFAULT_ACTIONS, Action, Policy


class WrongCut(NamedTuple):
    """An example whose strip leaves another text than it shows; ``got`` is None where nothing whole is left."""

    case: Case
    got: str | None


def wrong_cuts(outcomes: Sequence[Outcome], packs: Sequence[str]) -> list[WrongCut]:
    """Examples with ``cut`` that are stripped to something else, in order. Their rules strip, whatever the default."""
    cases = [outcome.case for outcome in outcomes if outcome.case.wanted and outcome.case.example.cut is not None]
    if not cases:
        return []
    strips = {
        case.rule.rule.id: Action(do="strip")
        for case in cases
        if DEFAULT_ACTIONS.get(case.rule.rule.category, Action(do="tag")).do != "strip"
    }
    judge = Judge((RegexFilter(packs=tuple(packs)),), Policy(actions=strips))
    turns = conversations([(case.example.prompt or "", case.example.text) for case in cases])
    texts: dict[int, str | None] = {index: case.example.text for index, case in enumerate(cases)}
    for turn in judge_turns(turns, judge, judge.find(turns), may_mend=True):
        texts[turn.at] = turn.text
    return [WrongCut(case, texts[index]) for index, case in enumerate(cases) if texts[index] != case.example.cut]
