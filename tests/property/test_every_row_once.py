"""Every row of every kind of file comes out exactly once, the same whatever the file is."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasemill.engine import ingest_lines, shards
from phrasemill.engine.read import read_shard
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.schemas.config import InputConfig

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["", " ", "Why?", "\u2028"])
ROLE = st.sampled_from(["user", "assistant", "assistant", "system", "tool", "human", "GPT", "narrator"])
MESSAGE = st.fixed_dictionaries(
    {"role": st.none() | ROLE, "content": st.none() | TEXT}, optional={"name": st.none() | TEXT}
)
ROW = st.fixed_dictionaries(
    {"id": st.none() | TEXT, "messages": st.none() | st.lists(st.none() | MESSAGE, max_size=4)},
    optional={"n": st.none() | st.integers(-(2**40), 2**40), "label": st.none() | TEXT},
)
FIRST = {
    "id": "first",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "name": "n"}],
    "n": 1,
    "label": "x",
}
ARROW = pa.schema(
    [
        ("id", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("name", pa.string())]))),
        ("n", pa.int64()),
        ("label", pa.string()),
    ]
)


def collect(plan: InputPlan) -> tuple[list[dict[str, Any]], list[tuple[str | None, str]]]:
    """Usable rows in order, and (id, reason) of the others; asserts that each shard's rows count from 0 without gap."""
    good, bad = [], []
    for shard in plan.shards:
        seen = []
        for batch in read_shard(shard, plan):
            batch.table.validate(full=True)
            assert batch.table.num_rows == len(batch.row)
            assert batch.quarantine["shard"].to_pylist() == [shard.key] * batch.quarantine.num_rows
            seen += batch.row.to_pylist() + batch.quarantine["row"].to_pylist()
            good += batch.table.to_pylist()
            bad += [(entry["row_id"], entry["reason"]) for entry in batch.quarantine.to_pylist()]
        assert sorted(seen) == list(range(len(seen)))
    return good, bad


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROW, max_size=12), group=st.integers(1, 5), cut=st.integers(50, 4000))
def test_parquet_lines_and_arrays_agree(rows: list[dict[str, Any]], group: int, cut: int) -> None:
    rows = [FIRST, *rows]
    lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    before = (shards.TARGET_LINES_BYTES, ingest_lines.BLOCK_BYTES, ingest_lines.READ_BYTES)
    try:
        shards.TARGET_LINES_BYTES, ingest_lines.BLOCK_BYTES, ingest_lines.READ_BYTES = 2 * cut, cut, cut // 3
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            pq.write_table(pa.Table.from_pylist(rows, ARROW), root / "a.parquet", row_group_size=group)
            (root / "b.jsonl").write_bytes(lines)
            (root / "c.json").write_bytes(orjson.dumps(rows))
            (root / "d.jsonl.gz").write_bytes(gzip.compress(lines))
            (root / "e.jsonl").write_bytes(lines + b'{"broken')
            found = [collect(plan_input(InputConfig(path=(str(path),)))) for path in sorted(root.iterdir())]
    finally:
        shards.TARGET_LINES_BYTES, ingest_lines.BLOCK_BYTES, ingest_lines.READ_BYTES = before
    good, bad = found[0]
    assert len(good) + len(bad) == len(rows)
    assert all(good == others for others, _ in found[1:])
    assert all(bad == others for _, others in found[1:-1])
    assert found[-1][1] == [*bad, (None, "bad_json")]


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=30), limit=st.integers(0, 40), seed=st.integers(0, 9))
def test_a_sample_has_its_size_and_no_row_twice(rows: list[dict[str, Any]], limit: int, seed: int) -> None:
    rows = [FIRST, *rows]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pq.write_table(pa.Table.from_pylist(rows, ARROW), root / "a.parquet", row_group_size=4)
        (root / "b.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
        plan = plan_input(InputConfig(path=(folder,)), limit=limit, seed=seed)
        seen = [
            (shard.key, row)
            for shard in plan.shards
            for batch in read_shard(shard, plan)
            for row in (*batch.row.to_pylist(), *batch.quarantine["row"].to_pylist())
        ]
    assert len(seen) == len(set(seen)) == min(limit, 2 * len(rows))
    assert plan.rows == 2 * len(rows)
