"""Whatever comes in, every row ends once, evidence fits its text, and what is published is clean by the same rules."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasemill.engine.manifest import PUBLISHED, TABLES, totals
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import resolved
from phrasemill.engine.verify import verify
from phrasemill.schemas.config import RunConfig

PACK = r"""
id: mini
rules:
  - {id: mini.certainly, category: opener, at: start, frame: match, pattern: "certainly[!,]"}
  - {id: mini.sure, category: opener, at: start, frame: match, pattern: "sure thing[.!]"}
  - {id: mini.note, category: hedge, at: sentence_start, frame: match, pattern: "note that"}
  - {id: mini.hope, category: closer, at: end, frame: match, pattern: "i hope this helps!"}
  - {id: mini.leak, category: identity_leak, pattern: '\bi am zorbot\b'}
  - {id: mini.delve, category: slop, pattern: '\bdelve into\b'}
  - {id: mini.loop, category: repetition, pattern: "round and round and round"}
"""

PIECE = st.sampled_from(
    [
        "Certainly! ",
        "Sure thing. ",
        "**Certainly!** ",
        "Note that ",
        "I am Zorbot. ",
        "We delve into bread. ",
        "round and round and round ",
        "I hope this helps!",
        "Bread is flour, water and salt. ",
        "The oven is hot. ",
        "`Certainly!` ",
        '"I am Zorbot" ',
        "\n\n",
        "- a point\n",
        "\U0001f35e\u200d\u00e9 ",
        "\u5305\u306f\u3067\u3059\u3002",
    ]
)
TEXT = st.lists(PIECE, max_size=5).map("".join) | st.text(st.characters(codec="utf-8"), max_size=10)
ROLE = st.sampled_from(["user", "assistant", "assistant", "system", "tool", "narrator"])
CHAT = st.lists(st.fixed_dictionaries({"role": ROLE, "content": st.none() | TEXT}), max_size=5)
ROW = st.fixed_dictionaries(
    {"id": st.none() | st.sampled_from(["a", "b"]), "messages": st.none() | CHAT, "n": st.integers(0, 9)}
)
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
ARROW = pa.schema([("id", pa.string()), ("messages", MESSAGES), ("n", pa.int64())])
FIRST = {
    "id": "first",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "Here."}],
    "n": 1,
}


def table(out: Path, name: str) -> pl.DataFrame:
    paths = sorted((out / TABLES[name]).glob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths]) if paths else pl.DataFrame()


def config(root: Path, path: Path, fallback: str) -> RunConfig:
    pack = root / "mini.yaml"
    pack.write_text(PACK)
    policy = {"gate": {"max_dropped": 1, "max_quarantined": 1}, "fallback": fallback, "density": {"slop": 50}}
    return resolved(
        RunConfig.model_validate({"input": {"path": str(path)}, "packs": [str(pack)], "policy": policy}), root
    )


@settings(max_examples=25)
@given(rows=st.lists(ROW, max_size=10), group=st.integers(1, 4), fallback=st.sampled_from(["drop", "quarantine"]))
def test_every_row_ends_once_and_what_is_published_is_clean(
    rows: list[dict[str, Any]], group: int, fallback: str
) -> None:
    rows = [FIRST, *rows]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in").mkdir()
        half = len(rows) // 2
        pq.write_table(pa.Table.from_pylist(rows[:half] or [FIRST], ARROW), root / "in/a.parquet", row_group_size=group)
        pq.write_table(pa.Table.from_pylist(rows[half:], ARROW), root / "in/b.parquet")
        n_rows = len(rows[half:]) + max(half, 1)
        out = root / "out"
        report = execute(config(root, root / "in", fallback), out, RunOptions(mode="clean", show_progress=False))

        sums = totals(report.manifest)
        assert sums.rows_in == n_rows == sum(sums.outcomes.values())
        verdicts = table(out, "verdicts")
        assert verdicts.height == n_rows == verdicts.select("shard", "row").n_unique()
        published = verdicts.filter(pl.col("outcome").is_in(PUBLISHED))
        sft = table(out, "sft")
        assert sorted(sft.select("pm_shard", "pm_row").rows()) == sorted(published.select("shard", "row").rows())
        assert verify(out).problems == ()
        check_rows(rows, half, out, sft)

        again = root / "again"
        execute(config(root, out / "data/sft", fallback), again, RunOptions(mode="scan", show_progress=False))
        spans = table(again, "spans")
        assert spans.is_empty() or set(spans["action"].drop_nulls()) <= {"tag"}


def check_rows(rows: list[dict[str, Any]], half: int, out: Path, sft: pl.DataFrame) -> None:
    """Kept rows say what they said, letter for letter; only assistant turns of the others differ."""
    sources = {row["shard"]: row["source"] for row in verdict_sources(out)}
    outcomes = {(row["shard"], row["row"]): row["outcome"] for row in table(out, "verdicts").to_dicts()}
    for row in sft.to_dicts():
        first = (rows[:half] or [FIRST]) if sources[row["pm_shard"]].endswith("a.parquet") else rows[half:]
        original = first[row["pm_row"]]
        assert row["n"] == original["n"]
        pairs = list(zip(row["messages"], original["messages"], strict=True))
        changed = [now["role"] for now, then in pairs if now["content"] != (then["content"] or "")]
        assert set(changed) <= ({"assistant"} if outcomes[row["pm_shard"], row["pm_row"]] == "repaired" else set())


def verdict_sources(out: Path) -> list[dict[str, str]]:
    """Shard and source of every commit record."""
    return [
        {"shard": record["key"], "source": record["source"]}
        for record in (orjson.loads(path.read_bytes()) for path in (out / "_commits").glob("*.json"))
    ]
