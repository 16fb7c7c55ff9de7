"""Data gates: shares of the rows read that a finished run must stay under."""

from __future__ import annotations

from phrasemill.engine.fates import NEEDS_MODEL
from phrasemill.engine.manifest import Manifest, totals
from phrasemill.schemas.errors import GateError
from phrasemill.schemas.policy import Policy


def check_gates(manifest: Manifest, policy: Policy) -> None:
    """Raise GateError if too many rows were dropped or quarantined. Rows that only lack a model are counted apart."""
    sums = totals(manifest)
    if not sums.rows_in:
        return
    dropped = sums.outcomes["dropped"] - sums.reasons.get(NEEDS_MODEL, 0)
    for name, count, limit in (
        ("dropped", dropped, policy.gate.max_dropped),
        ("quarantined", sums.outcomes["quarantined"], policy.gate.max_quarantined),
    ):
        if count > limit * sums.rows_in:
            raise GateError(
                f"{count:,} of {sums.rows_in:,} rows were {name} ({count / sums.rows_in:.1%}); policy.gate.max_{name} "
                f"allows {limit:.1%}. Everything is published; look at the reasons, then mend the input or the gate"
            )
