"""Tables of a generation for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from phrasemill.engine.display import cell, make_table
from phrasemill.engine.generate_stratum import StratumReport


def stratum_table(strata: Sequence[StratumReport]) -> Table:
    """One line a trait: what was asked for, what came of it, and why it ended."""
    table = make_table("trait", "accepted", "wanted", "items", "rate", "pairs", "requests", "ended", right=range(1, 7))
    for each in strata:
        rate = f"{each.accepted / each.items:.1%}" if each.items else "-"
        wanted = "all" if each.wanted is None else f"{each.wanted:,}"
        numbers = (f"{each.accepted:,}", wanted, f"{each.items:,}", rate, f"{each.pairs:,}", f"{each.requests:,}")
        table.add_row(cell(each.trait), *numbers, cell(each.stopped))
    return table


def confound_table(confounds: Mapping[str, Mapping[str, Any]]) -> Table:
    """One line a trait: how well each thing alone tells chosen from rejected (0.5: not at all, 1: always)."""
    names = [name for name in next(iter(confounds.values())) if name.endswith("_auc")]
    table = make_table("trait", "pairs", *(name.removesuffix("_auc") for name in names), right=range(1, len(names) + 2))
    for trait, values in confounds.items():
        table.add_row(cell(trait), f"{values['pairs']:,}", *(f"{values[name]:.2f}" for name in names))
    return table
