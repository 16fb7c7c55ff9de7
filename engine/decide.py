"""From hits to actions: what the policy does with each hit of a turn, and what that makes of the turn.

Pure functions of text, hits and policy: the same code decides about originals, about mended text and about what a
model wrote, so that nothing is published on which the policy would act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phrasemill.engine.repair import Cut, mend
from phrasemill.filters.hits import Hit
from phrasemill.filters.masks import HARD, mask_points
from phrasemill.schemas.policy import Action, Policy

SEVERITY: Final = {"tag": 0, "strip": 1, "regenerate": 2, "drop": 3}
"""Order of actions: the hardest one of a turn's hits, and of a row's turns, is done."""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What to do with one turn. ``actions`` has one entry a hit, None where the policy does nothing with it.

    ``action`` is the turn's own: None, ``strip``, ``regenerate`` or ``drop``. ``text`` is the mended text of a strip.
    ``reason`` says why a strip became something harder.
    """

    actions: tuple[str | None, ...]
    action: str | None
    text: str | None = None
    reason: str = ""


def plan_turn(text: str, hits: Sequence[Hit], policy: Policy, allow: frozenset[str] = frozenset()) -> TurnPlan:
    """The plan for a turn that may be mended. ``allow``: rule ids and categories that the traits in use may break."""
    wanted = [_wanted(hit, policy, allow) for hit in hits]
    actions: list[str | None] = [action.do if action else None for action in wanted]
    for index in _past_density(text, hits, wanted, policy):
        actions[index] = "regenerate"
    hardest = max((SEVERITY[action] for action in actions if action), default=0)
    if hardest == SEVERITY["strip"]:
        return _strip(text, hits, wanted, actions, policy)
    return TurnPlan(tuple(actions), {2: "regenerate", 3: "drop"}.get(hardest))


def _wanted(hit: Hit, policy: Policy, allow: frozenset[str]) -> Action | None:
    if hit.exempt is not None or hit.rule_id in allow or hit.category in allow:
        return None
    action = policy.action(hit.category, hit.rule_id)
    if action.do == "strip" and hit.cut is None:
        return Action(do=action.otherwise)
    return action


def _past_density(text: str, hits: Sequence[Hit], wanted: Sequence[Action | None], policy: Policy) -> list[int]:
    """Indices of tagged hits of a rule or category that is past its limit in this turn."""
    limits: dict[str, float] = {}
    groups: dict[str, list[int]] = {}
    for index, (hit, action) in enumerate(zip(hits, wanted, strict=True)):
        limit = policy.limit(hit.category, hit.rule_id)
        if action is None or action.do != "tag" or limit is None:
            continue
        name = hit.rule_id if hit.rule_id in policy.density else hit.category
        limits[name] = limit
        groups.setdefault(name, []).append(index)
    if not groups:
        return []
    words = max(1, len(text.split()))
    past = [
        members
        for name, members in groups.items()
        if len(members) >= policy.density_min_hits and len(members) * 1000 / words > limits[name]
    ]
    return [index for members in past for index in members]


def _strip(
    text: str,
    hits: Sequence[Hit],
    wanted: Sequence[Action | None],
    actions: list[str | None],
    policy: Policy,
) -> TurnPlan:
    """Cut what can be cut. Where no whole answer would be left, the hits' ``otherwise`` decides."""
    strips = [index for index, action in enumerate(actions) if action == "strip"]
    mended = _mend(text, [hits[index] for index in strips], policy)
    if mended[0] is not None:
        return TurnPlan(tuple(actions), "strip", mended[0])
    reason = mended[1]
    soft = [index for index in strips if (action := wanted[index]) and action.otherwise == "tag"]
    for index in soft:
        actions[index] = "tag"
    firm = [index for index in strips if index not in soft]
    if soft and firm:
        mended = _mend(text, [hits[index] for index in firm], policy)
        if mended[0] is not None:
            return TurnPlan(tuple(actions), "strip", mended[0])
    for index in firm:
        action = wanted[index]
        actions[index] = action.otherwise if action else None
    hardest = max((SEVERITY[action] for action in actions if action), default=0)
    return TurnPlan(tuple(actions), {2: "regenerate", 3: "drop"}.get(hardest), None, reason)


def _mend(text: str, hits: Sequence[Hit], policy: Policy) -> tuple[str | None, str]:
    cuts = [Cut(hit.cut[0], hit.cut[1], hit.category) for hit in hits if hit.cut is not None]
    masks = [(start, stop) for start, stop, kind in mask_points(text) if kind in HARD]
    # A sentence that is cut whole may hold inline code; only code that would be torn protects itself.
    masks = [mask for mask in masks if not any(cut.start <= mask[0] and mask[1] <= cut.stop for cut in cuts)]
    result = mend(text, cuts, masks=masks, policy=policy)
    return result.text, result.reason
