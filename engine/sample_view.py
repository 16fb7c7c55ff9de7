"""A sample as files: a page of Markdown to read, and a table of verdicts to fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from phrasemill.engine.manifest import write_atomic
from phrasemill.engine.overrides import COLUMNS, guarded
from phrasemill.engine.sample import Sample
from phrasemill.engine.sample_texts import SampledRow
from phrasemill.engine.sample_words import changes, inline, marked, quoted, shortened, word_diff
from phrasemill.schemas.errors import ConfigError

PAGE_NAME: Final = "sample.md"
VERDICTS_NAME: Final = "verdicts.csv"

USER_CHARACTERS: Final = 600
EARLIER_CHARACTERS: Final = 200
EARLIER_TURNS: Final = 6
"""Of what stood before the question: the beginning of each turn, of the last turns."""

TEXT_CHARACTERS: Final = 3_000
CELL_CHARACTERS: Final = 30_000
"""Spreadsheets cut a cell at 32,767 characters without a word."""

ONE_FILE: Final = "a build takes one file, so put new rows under the old ones"

_TITLES: Final = {
    "original": ("Before", "After"),
    "rejected": ("Rejected side", "Chosen side"),
    "other": ("Before (the other build)", "After"),
    "prompt": ("User", "Answer"),
}
"""The headings over the two texts: neither side of a pair need have been made from the other."""

_CLEANED: Final = """\
Write a verdict in `verdicts.csv` for the rows that you disagree with, and name that file as `overrides` in the
configuration: `keep` publishes the original as it came, `drop` leaves the row out, `edit` publishes what you write in
the column `edit`, `false positive` says that the hits of `rule_ids` are none. A row without a verdict stays as it is.
"""
_GENERATED: Final = """\
Write a verdict in `verdicts.csv` for the rows that you disagree with, and name that file as `overrides` in the
configuration: `drop` leaves the row out, `edit` publishes what you write in the column `edit` in place of the answer.
A row without a verdict stays as it is.
"""
_PROBED: Final = """\
These answers were not filtered. What you think of them can be kept in `verdicts.csv`; a probe takes no overrides.
"""


def write_sample(found: Sample, out: Path) -> tuple[Path, Path]:
    """Write the page and the table of verdicts; their paths. ConfigError: there is a table, which may be filled in."""
    page, table = out / PAGE_NAME, out / VERDICTS_NAME
    if table.exists():
        raise ConfigError(f"{table}: is there already and may hold verdicts; name another folder, or move it away")
    write_atomic(page, render_page(found).encode())
    write_atomic(table, render_verdicts(found).encode())
    return page, table


def render_verdicts(found: Sample) -> str:
    """A line of comma-separated values a row, to be judged; no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in found.rows:
        cells = {
            "shard": row.shard,
            "row": str(row.row),
            "field": row.field,
            "turn": str(row.turn),
            "row_id": row.row_id,
            "kind": row.kind,
            "rule_ids": ",".join(row.rule_ids),
            "trait_id": row.trait_id or "",
            "answer": row.answer_hash or "",
            "hits": "; ".join(
                f"{hit.category} {hit.start}:{hit.stop} {hit.rule_id}"
                for hit in row.hits
                if row.before_is == "original" and hit.stop <= CELL_CHARACTERS
            ),
            "before": (row.before or "")[:CELL_CHARACTERS],
            "after": (row.after or "")[:CELL_CHARACTERS],
        }
        lines.writerow([guarded(cells.get(name, "")) for name in COLUMNS])
    return text.getvalue()


def render_page(found: Sample) -> str:
    """The whole page."""
    blocks = [_block(number, row) for number, row in enumerate(found.rows, start=1)]
    return "\n".join([_head(found), *blocks, _strata(found)])


def _head(found: Sample) -> str:
    versus = "" if found.against is None else f", against {inline(found.against)}"
    generated = found.command in ("generate", "probe")
    alone = f" Rows that only one of the two folders has, not drawn: {found.alone:,}." if found.alone else ""
    parts = [
        f"# Sample of {inline(found.folder)}{versus}\n",
        f"{len(found.rows):,} of {found.turns:,} {'rows' if generated or versus else 'turns'}, spread by "
        f"{', '.join(found.by)}, seed {found.seed}.{alone}\n",
        {"probe": _PROBED, "generate": _GENERATED}.get(found.command, _CLEANED),
    ]
    if found.overrides is not None:
        parts.append(f"This build has its verdicts from {inline(found.overrides)}: {ONE_FILE}.\n")
    return "\n".join(parts) + "\n"


def _strata(found: Sample) -> str:
    parts = [
        "## What there was to draw from\n",
        f"| {' | '.join(found.by)} | there are | shown |",
        f"|{' --- |' * len(found.by)} ---: | ---: |",
        *(f"| {' | '.join(map(inline, each.name))} | {each.turns:,} | {each.shown:,} |" for each in found.strata),
    ]
    return "\n".join(parts) + "\n"


def _block(number: int, row: SampledRow) -> str:
    facts = {
        "row": f"shard {inline(row.shard)}, row {row.row}, {row.field}, turn {row.turn}",
        "done": f"{inline(row.kind)}, {inline(row.outcome)}" if row.outcome else inline(row.kind),
        "trait": inline(row.trait_id or ""),
        "rules": inline(", ".join(row.rule_ids)),
        "hits": inline("; ".join(row.changes)),
        "reasons": inline(", ".join(reason for reason in row.reasons if reason not in row.rule_ids)),
    }
    listed = "".join(f"- {name}: {said}\n" for name, said in facts.items() if said)
    return "\n".join([f"## {number}. {inline(row.row_id) or 'no id'}\n", listed, *_texts(row)])


def _texts(row: SampledRow) -> Iterator[str]:
    if row.earlier:
        yield _earlier(row.earlier)
    user = _part("User", row.user, (), USER_CHARACTERS, "not in the folder: the row is not published")
    if row.kind != "queries":
        yield user
    before, after = _TITLES[row.before_is]
    if row.before_is != "prompt":
        spans = [(hit.start, hit.stop) for hit in row.hits]
        yield _part(before, row.before, spans, TEXT_CHARACTERS, "not published there")
    found = [(hit.start, hit.stop) for hit in row.hits_after]
    yield _part(after if row.kind != "queries" else "Query", row.after, found, TEXT_CHARACTERS, "nothing is published")
    if row.before is not None and row.after is not None and row.before_is != "prompt":
        yield f"**Difference**\n\n{_difference(row.before, row.after)}"


def _part(title: str, text: str | None, spans: list[tuple[int, int]] | tuple[()], limit: int, lacking: str) -> str:
    if text is None:
        return f"**{title}**: {lacking}\n"
    if not text.strip():
        return f"**{title}**: empty\n"
    return f"**{title}**\n\n{quoted(shortened(marked(text, spans), limit))}"


def _earlier(turns: Sequence[tuple[str, str]]) -> str:
    shown = turns[-EARLIER_TURNS:]
    left = f" (the last {len(shown)} of {len(turns)})" if len(shown) < len(turns) else ""
    said = [shortened(marked(f"{role}: {' '.join(text.split())}", ()), EARLIER_CHARACTERS) for role, text in shown]
    return f"**Earlier**{left}\n\n{''.join(map(quoted, said))}"


def _difference(before: str, after: str) -> str:
    if before == after:
        return "none\n"
    pieces = word_diff(before, after)
    if pieces is None:
        return "written anew: too little is the same to compare word by word\n"
    if all(not piece.mark for piece in pieces):
        return "white space only\n"
    return quoted(changes(pieces))
