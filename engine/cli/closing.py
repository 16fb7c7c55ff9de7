"""What a run says when it ends: tables for people, or one JSON object."""

from __future__ import annotations

import resource
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.engine.display import category_table, counts_table, facts_table, outcome_table, rule_table, shown
from phrasemill.engine.manifest import TABLES, Totals, totals
from phrasemill.engine.override_turns import PREFIX
from phrasemill.engine.run import RunReport
from phrasemill.schemas.errors import GateError
from phrasemill.schemas.policy import Policy

_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Closing:
    """A run that ended. ``known``: shards that were published before it began."""

    report: RunReport
    policy: Policy | None
    known: frozenset[str]
    gate: GateError | None = None

    def print_json(self) -> None:
        """The totals, what this run contributed, rates, and peak memory in MB."""
        show_json(self._facts())

    def print_tables(self) -> None:
        """Every table that has something to say, the paths, and how to look further."""
        sums = totals(self.report.manifest)
        for title, table in self._tables(sums):
            show(Text(title, style="bold"), table, Text(""))
        for line in self._lines(sums):
            say(line)

    def _facts(self) -> dict[str, Any]:
        report, model = self.report, self.report.model
        asked = {
            "sent": model.sent,
            "replayed": model.replayed,
            "outcomes": model.outcomes,
            "completion_tokens": model.completion_tokens,
            "seconds": model.seconds,
            "tokens_per_second": _per_second(model.completion_tokens, model.seconds),
        }
        return {
            "out": str(report.out),
            "command": report.manifest.command,
            **totals(report.manifest).model_dump(mode="json"),
            "seconds": report.seconds,
            "rows_per_second": _per_second(self._rows_now(), report.seconds),
            "input_mb_per_second": _per_second(report.input_bytes / 1e6, report.seconds),
            "peak_rss_mb": _peak_mb(resource.RUSAGE_SELF),
            "peak_rss_child_mb": _peak_mb(resource.RUSAGE_CHILDREN),
            "shards_done": report.done,
            "shards_skipped": report.skipped,
            "taken_back": list(report.taken_back),
            "spans_reused": report.spans_reused,
            "begun_again": list(report.again),
            "absent": list(report.manifest.absent),
            "overrides": report.overrides,
            "overrides_missed": report.overrides_missed,
            "model": asked,
            "gate": None if self.gate is None else str(self.gate),
        }

    def _rows_now(self) -> int:
        return sum(
            shard.rows_in
            for shard in self.report.manifest.shards
            if shard.key not in self.known or shard.key in self.report.taken_back
        )

    def _tables(self, sums: Totals) -> Iterator[tuple[str, RenderableType]]:
        scanned = self.report.manifest.command == "scan"
        yield ("rows read" if scanned else "rows"), outcome_table(sums)
        yield "hits by category", category_table(sums, self.policy)
        if scanned and sums.rules:
            yield "hits by rule", rule_table(sums)
        said = {reason: count for reason, count in sums.reasons.items() if reason.startswith(PREFIX)}
        why = {reason: count for reason, count in sums.reasons.items() if reason not in said}
        if why:
            yield "why rows were kept out", counts_table("reason", "rows", why)
        if said:
            yield "verdicts of a person", counts_table("verdict", "turns", said)
        pairs = {f"published, {kind}": count for kind, count in sums.pairs.items()}
        pairs |= {f"withheld, {reason}": count for reason, count in sums.pairs_withheld.items()}
        if pairs:
            yield "preference pairs", counts_table("pairs", "count", pairs)
        if sums.requests:
            yield "requests to the model", counts_table("outcome", "requests", sums.requests)
        written = {
            TABLES[name]: f"{sums.rows[name]:,} rows, {sums.bytes[name] / 1e6:,.1f} MB in {count:,} files"
            for name, count in sums.files.items()
            if count
        }
        yield f"written to {shown(str(self.report.out))}", facts_table(written)

    def _lines(self, sums: Totals) -> Iterator[str]:
        report, model = self.report, self.report.model
        if report.manifest.command == "scan" and self.policy is not None:
            acted = sum(count.acted for count in sums.hits.values())
            yield f"the policy would act on {acted:,} hits" if acted else "the policy would act on no hit"
        if report.done:
            rows = self._rows_now()
            speed = f"{rows / report.seconds:,.0f} rows/s"
            if report.input_bytes:
                speed += f", {report.input_bytes / 1e6 / report.seconds:,.1f} MB/s of input"
            yield f"{rows:,} rows in {report.seconds:.1f} s ({speed})"
        if model.sent or model.replayed:
            pace = _per_second(model.completion_tokens, model.seconds) or 0.0
            yield f"{model.sent:,} requests sent, {model.replayed:,} answered from earlier ones, {pace:.1f} tokens/s"
        if report.skipped:
            yield f"{report.skipped:,} shards were already done"
        if report.taken_back:
            yield f"{len(report.taken_back):,} damaged shards were done anew"
        if report.again:
            yield f"{len(report.again):,} shards were begun again after their task was lost"
        if report.spans_reused:
            yield f"{report.spans_reused:,} shards took their spans from the base"
        if report.overrides_missed:
            yield f"{report.overrides_missed:,} of {report.overrides:,} verdicts are on turns that were not read"
        if absent := report.manifest.absent:
            yield f"{len(absent):,} published shards are gone from the input; run with --prune takes them back"
        folder = shlex.quote(str(report.out))
        yield f"look further: phrasemill sql {folder} 'FROM hits_by_rule'; phrasemill explain {folder} ROW_ID"


def _per_second(amount: float, seconds: float | None) -> float | None:
    return amount / seconds if seconds else None


def _peak_mb(who: int) -> float:
    """Peak resident memory, in MB, of this process or of its largest child."""
    return resource.getrusage(who).ru_maxrss * _RSS_UNIT / 1e6
