"""Shards, their keys, the frozen schema and the sample."""

from __future__ import annotations

import gzip
import pickle
import shutil
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine import shards as shards_module
from phrasemill.engine.read import read_shard
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import InputError


def talk(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]


def rows(count: int, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{number}", "messages": talk(number), **more} for number in range(first, first + count)]


def parquet(path: Path, data: list[dict[str, Any]], group: int = 10) -> None:
    pq.write_table(pa.Table.from_pylist(data), path, row_group_size=group)


def lines(path: Path, data: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in data))


def plan(path: Path, **options: Any) -> InputPlan:
    return plan_input(InputConfig(path=str(path)), **options)


def ids(planned: InputPlan) -> list[str]:
    return [
        row_id
        for shard in planned.shards
        for batch in read_shard(shard, planned)
        for row_id in batch.table["id"].to_pylist()
    ]


def test_row_groups_are_joined_up_to_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet", rows(95))
    (whole,) = plan(tmp_path).shards
    assert (whole.start, whole.stop, whole.rows) == (0, 10, 95)
    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0).total_byte_size
    monkeypatch.setattr(shards_module, "TARGET_SHARD_BYTES", int(group * 3.5))
    found = plan(tmp_path).shards
    assert [(shard.start, shard.stop) for shard in found] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [shard.rows for shard in found] == [30, 30, 30, 5]


def test_lines_are_cut_at_line_ends_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines(tmp_path / "a.jsonl", rows(200))
    monkeypatch.setattr(shards_module, "TARGET_LINES_BYTES", 1000)
    found = plan(tmp_path)
    assert len(found.shards) > 5
    data = (tmp_path / "a.jsonl").read_bytes()
    assert all(data[shard.stop - 1 : shard.stop] == b"\n" for shard in found.shards)
    assert ids(found) == [f"r{number}" for number in range(200)]


def test_compressed_lines_and_arrays_are_one_shard(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", rows(5))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "c.json").write_bytes(orjson.dumps(rows(5)))
    found = plan(tmp_path)
    assert [(shard.kind, shard.compression) for shard in found.shards] == [
        ("jsonl", "none"),
        ("jsonl", "gz"),
        ("json", "none"),
    ]
    assert ids(found) == [f"r{number}" for number in range(5)] * 3


def test_keys_do_not_depend_on_the_path_and_twins_are_kept(tmp_path: Path) -> None:
    parquet(tmp_path / "x.parquet", rows(10))
    alone = plan(tmp_path).shards[0].key
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "x.parquet", tmp_path / "elsewhere" / "y.parquet")
    assert [shard.key for shard in plan(tmp_path).shards] == [alone, f"{alone}-2"]
    assert len(alone) == 16
    assert plan(tmp_path / "elsewhere").fingerprint() == plan(tmp_path / "x.parquet").fingerprint()


def test_schema_is_the_union_of_all_files(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", rows(3, score=1, note=None))
    table = pa.Table.from_pylist(rows(3, score=2, label="x", pm_old=1.5))
    place = table.schema.get_field_index("score")
    pq.write_table(table.set_column(place, "score", table["score"].cast(pa.int16())), tmp_path / "b.parquet")
    lines(tmp_path / "c.jsonl", rows(3, note="late", nested={"deep": [1]}, tags=["a"]))
    found = plan(tmp_path)
    assert {item.name: item.type for item in found.schema} == {
        "score": pa.int64(),
        "note": pa.large_string(),
        "pm_src_label": pa.string(),
        "pm_src_pm_old": pa.float64(),
        "nested": pa.large_string(),
        "tags": pa.large_list(pa.large_string()),
    }
    tables = [batch.table for shard in found.shards for batch in read_shard(shard, found)]
    assert tables[0].schema == tables[1].schema == tables[2].schema
    merged = pa.concat_tables(tables).to_pylist()
    assert [row["score"] for row in merged] == [1, 1, 1, 2, 2, 2, None, None, None]
    assert merged[6]["nested"] == '{"deep":[1]}'
    assert merged[6]["tags"] == ["a"]


@pytest.mark.parametrize(("second", "told"), [("high", "string"), ([1], "list"), ({"a": 1}, "struct")])
def test_a_type_conflict_names_column_files_and_types(tmp_path: Path, second: Any, told: str) -> None:
    parquet(tmp_path / "a.parquet", rows(3, score=1))
    parquet(tmp_path / "b.parquet", rows(3, score=second))
    with pytest.raises(InputError) as caught:
        plan(tmp_path)
    message = str(caught.value)
    assert "'score'" in message
    assert "int64" in message
    assert told in message
    assert "a.parquet" in message
    assert "b.parquet" in message


def test_a_file_without_the_shape_is_named(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", rows(3))
    lines(tmp_path / "b.jsonl", [{"prompt": "p", "response": "r"}])
    with pytest.raises(InputError, match=r"b\.jsonl has no column 'messages'"):
        plan(tmp_path)


@pytest.mark.parametrize("data", [b"", b"PAR1 not really PAR1"])
def test_a_broken_parquet_file_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.parquet: not a readable Parquet file"):
        plan(tmp_path)


def test_an_input_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n\n")
    with pytest.raises(InputError, match="no rows"):
        plan(tmp_path)


def test_a_row_group_that_unpacks_to_giant_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet", rows(3, note="x" * 5000))
    monkeypatch.setattr("phrasemill.engine.ingest_footer.MAX_MEAN_ROW_BYTES", 1000)
    with pytest.raises(InputError, match=r"a\.parquet: the 3 rows of row group 0 unpack to"):
        plan(tmp_path)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.json"])
def test_limit_is_a_seeded_sample_and_head_the_first_rows(tmp_path: Path, name: str) -> None:
    data = rows(100, note="n")
    writers = {"a.parquet": lambda: parquet(tmp_path / name, data), "a.jsonl": lambda: lines(tmp_path / name, data)}
    writers["a.json"] = lambda: (tmp_path / name).write_bytes(orjson.dumps(data))
    whole = b"\n".join(orjson.dumps(row) for row in data)
    writers["a.jsonl.gz"] = lambda: (tmp_path / name).write_bytes(gzip.compress(whole))
    writers[name]()
    sampled = ids(plan(tmp_path, limit=20, seed=7))
    assert len(sampled) == len(set(sampled)) == 20
    assert sampled == sorted(sampled, key=lambda text: int(text[1:]))
    assert ids(plan(tmp_path, limit=20, seed=7)) == sampled != ids(plan(tmp_path, limit=20, seed=8))
    assert ids(plan(tmp_path, head=20)) == [f"r{number}" for number in range(20)]
    assert len(ids(plan(tmp_path, limit=1000))) == 100


def test_the_sample_spreads_over_shards_whatever_their_order(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for folder, names in ((first, "abc"), (second, "cab")):
        folder.mkdir()
        for place, name in enumerate(names):
            parquet(folder / f"{name}.parquet", rows(50, first=50 * place))
    one, two = (plan(folder, limit=30, seed=3) for folder in (first, second))
    assert set(ids(one)) == set(ids(two))
    assert one.fingerprint() == two.fingerprint() != plan(first).fingerprint()
    assert all(len(one.sample[shard.key]) for shard in one.shards)  # type: ignore[index]


def test_row_index_of_a_sampled_row_is_that_of_the_shard(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", rows(100))
    found = plan(tmp_path, limit=10)
    (shard,) = found.shards
    (*batches,) = read_shard(shard, found)
    pairs = [
        pair for batch in batches for pair in zip(batch.row.to_pylist(), batch.table["id"].to_pylist(), strict=True)
    ]
    assert len(pairs) == 10
    assert all(f"r{row}" == row_id for row, row_id in pairs)


def test_known_files_are_taken_over_by_their_stamp(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", rows(3))
    first = plan(tmp_path)
    again = plan(tmp_path, known=first.files)
    assert again.files[0] is first.files[0]
    parquet(tmp_path / "a.parquet", rows(4))
    assert plan(tmp_path, known=first.files).files[0].content_hash != first.files[0].content_hash


def test_plan_pickles_and_a_part_of_it_reads(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", rows(30))
    parquet(tmp_path / "b.parquet", rows(30, first=30))
    found = plan(tmp_path, limit=10)
    parts = [pickle.loads(pickle.dumps(found.only(shard))) for shard in found.shards]
    assert [row_id for part in parts for row_id in ids(part)] == ids(found)
    assert pickle.loads(pickle.dumps(found)).fingerprint() == found.fingerprint()
