"""What to do with what was found: the policy, its shipped default, and every threshold that it knows."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ActionName = Literal["tag", "strip", "regenerate", "drop"]


class Action(BaseModel):
    """``do`` is tried first; ``otherwise`` is done where ``do`` is a strip that would not leave a whole answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    do: ActionName
    otherwise: Literal["tag", "regenerate", "drop"] = "regenerate"


def _named_action(value: object) -> object:
    return {"do": value} if isinstance(value, str) else value


ActionSpec = Annotated[Action, BeforeValidator(_named_action)]

DEFAULT_ACTIONS: Final[dict[str, Action]] = {
    "opener": Action(do="strip"),
    "ai_self_reference": Action(do="strip"),
    "identity_leak": Action(do="regenerate"),
    "refusal": Action(do="tag"),
    "closer": Action(do="strip"),
    "hedge": Action(do="strip"),
    "leaked_markup": Action(do="strip"),
    "sycophancy": Action(do="strip", otherwise="tag"),
    "moralising": Action(do="tag"),
    "contrast": Action(do="tag"),
    "slop": Action(do="tag"),
    "repetition": Action(do="drop"),
    "repetition.opening": Action(do="tag"),
}
"""The shipped default, by category or rule. What no policy names is tagged."""

DEFAULT_DENSITY: Final[dict[str, float]] = {"contrast": 6.0, "slop": 8.0}
"""Hits per 1,000 words of a turn past which a tagged hit becomes a regeneration."""


class Gate(BaseModel):
    """Shares of the rows read past which a finished run exits with code 3. ``needs_model`` drops are not counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_dropped: float = Field(default=0.05, ge=0.0, le=1.0)
    max_quarantined: float = Field(default=0.01, ge=0.0, le=1.0)


class Policy(BaseModel):
    """Category or rule id to action, density limits, and what becomes of a turn that cannot be made clean.

    ``actions`` is laid over the shipped default; a rule id wins over its category. ``density`` likewise: a limit of a
    rule or category, in hits per 1,000 words. A turn of fewer than ``density_min_hits`` hits is never past a limit.
    ``fallback``: what happens to a row whose turn could not be made clean. ``cut_conversation``: a flagged turn in the
    middle whose rewrite loses what later turns refer to is cut after, instead of failing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    actions: dict[str, ActionSpec] = Field(default_factory=dict)
    density: dict[str, float] = Field(default_factory=dict)
    density_min_hits: int = Field(default=3, ge=1)
    fallback: Literal["drop", "quarantine"] = "drop"
    reasoning: Literal["keep", "drop"] = "keep"
    cut_conversation: bool = True
    min_words_left: int = Field(default=3, ge=1)
    max_share_cut: float = Field(default=0.5, gt=0.0, le=1.0)
    over_refusal_pairs: bool = False
    gate: Gate = Gate()

    def action(self, category: str, rule_id: str) -> Action:
        """The action for a hit: its rule's or else its category's, of this policy or else of the shipped default."""
        for actions in (self.actions, DEFAULT_ACTIONS):
            for name in (rule_id, category):
                if name in actions:
                    return actions[name]
        return Action(do="tag")

    def limit(self, category: str, rule_id: str) -> float | None:
        """Hits per 1,000 words that a turn may have, or None where there is no limit. A limit of a rule wins."""
        for name in (rule_id, category):
            if name in self.density:
                return self.density[name]
        return DEFAULT_DENSITY.get(category)
