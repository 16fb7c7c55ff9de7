"""From turns to rows: the hardest action of a row's turns, the outcome that follows, and the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from phrasemill.engine.decide import SEVERITY
from phrasemill.engine.evidence import PLANNED
from phrasemill.engine.judge_turns import JudgedTurn
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.tables import OUTCOMES

Mode = Literal["scan", "clean", "run"]
Codes = npt.NDArray[np.int64]

KEPT: Final = OUTCOMES.index("kept")
REPAIRED: Final = OUTCOMES.index("repaired")
REGENERATED: Final = OUTCOMES.index("regenerated")
DROPPED: Final = OUTCOMES.index("dropped")

NEEDS_MODEL: Final = "needs_model"
"""Reason of a row that only a model could mend, where none may be asked."""

REASONING_DROPPED: Final = "reasoning_dropped"

REASONING_ONLY: Final = "reasoning_only"
"""Reason of a row with an answer of which nothing is left without its reasoning."""


@dataclass(frozen=True, slots=True)
class JudgedField:
    """All turns with hits of one field of a batch."""

    turns: TurnTable
    judged: list[JudgedTurn]


@dataclass(slots=True)
class RowFate:
    """A row on which the policy acts: its hardest action, and the turns that are acted on with their index."""

    action: str = "strip"
    turns: list[tuple[int, JudgedTurn]] = field(default_factory=list)

    @property
    def rules(self) -> list[str]:
        """Rule ids of the hits acted on, each once, in reading order."""
        return list(dict.fromkeys(rule for _, turn in self.turns for rule in acted_rules(turn)))


def acted_rules(turn: JudgedTurn) -> tuple[str, ...]:
    """Rule ids of the hits of a turn that the policy acts on, each once, in reading order."""
    return tuple(dict.fromkeys(hit.rule_id for hit in acted_hits(turn)))


def acted_hits(turn: JudgedTurn) -> list[Hit]:
    """Hits of a turn that the policy acts on."""
    pairs = zip(turn.hits, turn.actions, strict=True)
    return [hit for hit, action in pairs if action is not None and action != "tag"]


def refusals(hits: Iterable[Hit]) -> list[Hit]:
    """Hits that count and are refusals, whatever the policy does with them."""
    return [hit for hit in hits if hit.category == "refusal" and hit.exempt is None]


def refuses(hits: Iterable[Hit]) -> bool:
    """Whether a hit that counts is a refusal."""
    return bool(refusals(hits))


def protected_rows(fields: Sequence[JudgedField]) -> frozenset[int]:
    """Rows of a preference input whose rejected side refuses while the chosen one complies."""
    refusing: dict[str, set[int]] = {"chosen": set(), "rejected": set()}
    for each in fields:
        for turn in each.judged:
            if each.turns.field in refusing and refuses(turn.hits):
                refusing[each.turns.field].add(int(each.turns.position[turn.at]))
    return frozenset(refusing["rejected"] - refusing["chosen"])


def row_fates(fields: Sequence[JudgedField]) -> dict[int, RowFate]:
    """Rows on which the policy acts, by position in the batch."""
    fates: dict[int, RowFate] = {}
    for each in fields:
        for turn in each.judged:
            if turn.action is None:
                continue
            fate = fates.setdefault(int(each.turns.position[turn.at]), RowFate())
            fate.turns.append((int(each.turns.turn[turn.at]), turn))
            if SEVERITY[turn.action] > SEVERITY[fate.action]:
                fate.action = turn.action
    return dict(sorted(fates.items()))


def row_codes(n_rows: int, fates: dict[int, RowFate], changed: Sequence[int], mode: Mode) -> tuple[Codes, Codes]:
    """Planned action and outcome of every row, as indices into PLANNED and OUTCOMES.

    ``changed``: rows that lost their reasoning. In mode ``run`` a row for a model has the outcome ``regenerated``
    until the model has had its say.
    """
    action = np.zeros(n_rows, dtype=np.int64)
    outcome = np.full(n_rows, KEPT, dtype=np.int64)
    outcome[list(changed)] = REPAIRED
    ends = {"strip": REPAIRED, "regenerate": REGENERATED if mode == "run" else DROPPED, "drop": DROPPED}
    for position, fate in fates.items():
        action[position] = PLANNED.index(fate.action)
        outcome[position] = ends[fate.action]
    if mode == "scan":
        outcome[:] = KEPT
    return action, outcome


def row_reasons(fates: dict[int, RowFate], changed: Sequence[int], outcome: Codes) -> dict[int, list[str]]:
    """Why rows are not as they came: what the row lacked, then the rules that acted."""
    reasons: dict[int, list[str]] = {position: [REASONING_DROPPED] for position in changed}
    for position, fate in fates.items():
        lacks = [NEEDS_MODEL] if fate.action == "regenerate" and outcome[position] == DROPPED else []
        reasons[position] = [*lacks, *reasons.get(position, []), *fate.rules]
    return reasons
