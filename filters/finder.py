"""One pass over a batch's text with all rules at once: which rule may match in which turn.

What is looked for is each rule's necessary factor. Hyperscan reports every end of it in a buffer of many turns laid
end to end, so a candidate is only a pair of rule and turn; the confirming engine finds exact bounds inside the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import hyperscan
import numpy as np
import numpy.typing as npt

from phrasemill.filters.compiled import CompiledRule
from phrasemill.schemas.errors import PackError

START_BYTES: Final = 1_200
"""How far into a turn a match of a ``start`` rule may end: stacked openers are rarely longer."""

END_BYTES: Final = 4_000
"""How far before the end of a turn a match of an ``end`` rule may end."""

_FLAGS: Final = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_MULTILINE


class Finder:
    """A compiled set of rules. ``candidates`` gives (turn index, rule index) pairs, each once, sorted."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._at = np.array([{"start": 1, "end": 2}.get(rule.rule.at, 0) for rule in rules], dtype=np.int8)
        self._database = hyperscan.Database()
        count = len(rules)
        expressions = [rule.finder.encode() for rule in rules]
        try:
            self._database.compile(expressions=expressions, ids=list(range(count)), elements=count, flags=_FLAGS)
        except hyperscan.HyperscanError:
            self._database.compile(
                expressions=expressions,
                ids=list(range(count)),
                elements=count,
                flags=[_flags(rule, expression) for rule, expression in zip(rules, expressions, strict=True)],
            )

    def candidates(
        self, data: memoryview, starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Pairs (turn, rule), shape (n, 2), sorted. ``starts``, ``stops``: bytes of each turn in ``data``."""
        found: list[tuple[int, int]] = []
        collect = found.append

        def on_match(rule: int, _start: int, stop: int, _flags: int, _context: object) -> None:
            collect((rule, stop))

        self._database.scan(cast(bytes, data), match_event_handler=on_match)
        if not found:
            return np.empty((0, 2), dtype=np.int64)
        hits = np.array(found, dtype=np.int64)
        rule, stop = hits[:, 0], hits[:, 1]
        turn = np.searchsorted(starts, stop - 1, side="right") - 1
        turn = np.maximum(turn, 0)
        at = self._at[rule]
        inside = stop <= stops[turn]
        inside &= (at != 1) | (stop - starts[turn] <= START_BYTES)
        inside &= (at != 2) | (stops[turn] - stop <= END_BYTES)
        return np.unique(np.stack([turn[inside], rule[inside]], axis=1), axis=0)


def _flags(rule: CompiledRule, expression: bytes) -> int:
    """Flags that this pattern compiles with: a superset approximation where the exact one is too large."""
    for flags in (_FLAGS, _FLAGS | hyperscan.HS_FLAG_PREFILTER):
        try:
            hyperscan.Database().compile(expressions=[expression], ids=[0], elements=1, flags=flags)
        except hyperscan.HyperscanError as error:
            reason = str(error)
        else:
            return flags
    raise PackError(f"pack {rule.pack!r}: rule {rule.rule.id!r}: the candidate finder refuses the pattern: {reason}")
