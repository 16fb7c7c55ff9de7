"""Parquet shards become canonical rows; bad rows, pages and files are set apart."""

from __future__ import annotations

import base64
import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import blake3
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine import parquet_rows
from phrasemill.engine.ingest_dictionary import has_dictionaries, swelling, without_dictionaries, written_out
from phrasemill.engine.ingest_footer import largest_page, pages
from phrasemill.engine.read import RowBatch, read_shard, table_schema
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.schemas import tables
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import IntegrityError

TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def plan_of(path: Path, **columns: str) -> InputPlan:
    return plan_input(InputConfig.model_validate({"path": str(path), "columns": columns}))


def read(plan: InputPlan) -> list[RowBatch]:
    return [batch for shard in plan.shards for batch in read_shard(shard, plan)]


def write(path: Path, rows: list[dict[str, Any]] | pa.Table, **options: Any) -> Path:
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows), path, **options)
    return path


def test_columns_come_in_their_order_with_one_schema(tmp_path: Path) -> None:
    rows = [{"messages": TALK, "id": "r", "label": 1, "pm_x": 2, "source": "s"}]
    plan = plan_of(write(tmp_path / "a.parquet", rows))
    (batch,) = read(plan)
    assert batch.table.schema == table_schema(plan)
    assert batch.table.schema.names == [
        "id",
        "messages",
        "pm_messages_extra",
        "pm_src_label",
        "pm_src_pm_x",
        "source",
        "pm_extra",
    ]
    assert batch.table["messages"].type == tables.MESSAGES
    assert batch.quarantine.schema == tables.QUARANTINE
    assert batch.row.to_pylist() == [0]


def test_ids_are_the_inputs_as_text_or_a_hash_of_the_conversation(tmp_path: Path) -> None:
    other = [*TALK, {"role": "user", "content": "q"}]
    rows = [{"key": 7, "messages": TALK}, {"key": None, "messages": TALK}, {"key": None, "messages": other}]
    path = write(tmp_path / "a.parquet", rows)
    own, first, second = (row_id for batch in read(plan_of(path, id="key")) for row_id in batch.table["id"].to_pylist())
    assert own == "7"
    assert len(first) == len(second) == 32
    assert first != second
    hashed = [row_id for batch in read(plan_of(path)) for row_id in batch.table["id"].to_pylist()]
    assert hashed == [first, first, second]


def test_the_hash_tells_where_one_text_ends(tmp_path: Path) -> None:
    def talk(question: str, answer: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}

    (batch,) = read(plan_of(write(tmp_path / "a.parquet", [talk("ab", "c"), talk("a", "bc"), talk("ab", "c")])))
    ids = batch.table["id"].to_pylist()
    assert ids[0] == ids[2] != ids[1]


def test_bad_rows_are_quarantined_with_the_row_as_it_came(tmp_path: Path) -> None:
    rows = [
        {"id": "good", "messages": TALK, "when": datetime.date(2026, 1, 2)},
        {"id": "bad", "messages": TALK[:1], "when": datetime.date(2026, 1, 3)},
        {"id": None, "messages": None, "when": None},
    ]
    plan = plan_of(write(tmp_path / "a.parquet", rows))
    (batch,) = read(plan)
    assert batch.row.to_pylist() == [0]
    first, second = batch.quarantine.to_pylist()
    raw = json.loads(first["raw"])
    assert raw == {"id": "bad", "messages": TALK[:1], "when": "2026-01-03"}
    assert (first["shard"], first["row"], first["row_id"]) == (plan.shards[0].key, 1, "bad")
    assert (first["reason"], second["reason"], second["row_id"]) == ("no_assistant_turn", "no_messages", None)
    assert first["raw_bytes"] == len(first["raw"])
    assert first["raw_blake3"] == blake3.blake3(first["raw"].encode()).hexdigest()
    assert first["source"].endswith("a.parquet row groups 0-0")


def test_a_long_bad_row_is_cut_but_described_whole(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "x" * 100_000}]}, {"messages": TALK}]
    (batch,) = read(plan_of(write(tmp_path / "a.parquet", rows)))
    (entry,) = batch.quarantine.to_pylist()
    assert len(entry["raw"]) == 64 * 1024
    assert entry["raw_bytes"] > 100_000


def broken_text(values: list[bytes], kind: pa.DataType) -> pa.Array:
    plain = pa.array(values, pa.binary() if kind == pa.string() else pa.large_binary())
    return plain.view(kind)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_invalid_utf8_costs_the_row_only(tmp_path: Path, kind: pa.DataType) -> None:
    role = pa.array(["user", "assistant"] * 3, kind)
    content = broken_text([b"q", b"a", b"q", b"\xff\xfe", b"q", "\u00e9".encode()], kind)
    messages = pa.ListArray.from_arrays(
        pa.array([0, 2, 4, 6], pa.int32()), pa.StructArray.from_arrays([role, content], ["role", "content"])
    )
    note = broken_text([b"fine", b"fine", b"\xc3"], kind)
    plan = plan_of(write(tmp_path / "a.parquet", pa.table({"messages": messages, "note": note})))
    (batch,) = read(plan)
    assert batch.row.to_pylist() == [0]
    assert batch.quarantine["reason"].to_pylist() == ["invalid_utf8"] * 2
    assert batch.quarantine["row"].to_pylist() == [1, 2]
    assert b'"content": "\xff\xfe"' in base64.b64decode(batch.quarantine["raw"][0].as_py())
    batch.table.validate(full=True)


def test_too_large_a_row_goes_and_its_neighbours_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "MAX_ROW_BYTES", 5000)
    large = [TALK[0], {"role": "assistant", "content": "x" * 6000}]
    rows = [{"messages": TALK, "note": "n"}, {"messages": large, "note": "n"}, {"messages": TALK, "note": "y" * 6000}]
    (batch,) = read(plan_of(write(tmp_path / "a.parquet", rows)))
    assert batch.row.to_pylist() == [0]
    assert batch.quarantine["reason"].to_pylist() == ["too_large", "too_large"]


def test_batches_are_cut_by_bytes_and_count_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "BATCH_BYTES", 20_000)
    rows = [
        {"id": str(row), "messages": [TALK[0], {"role": "assistant", "content": f"{row} " * 200}]} for row in range(300)
    ]
    plan = plan_of(write(tmp_path / "a.parquet", rows, row_group_size=100))
    batches = read(plan)
    assert len(batches) > 5
    assert all(batch.table.nbytes < 60_000 for batch in batches)
    assert [row for batch in batches for row in batch.row.to_pylist()] == list(range(300))
    assert [row_id for batch in batches for row_id in batch.table["id"].to_pylist()] == [str(row) for row in range(300)]


def test_a_flipped_bit_is_an_integrity_error(tmp_path: Path) -> None:
    rows = [{"messages": [TALK[0], {"role": "assistant", "content": f"answer {row}"}]} for row in range(500)]
    path = write(tmp_path / "a.parquet", rows, write_page_checksum=True, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[data.index(b"answer 250")] ^= 1
    path.write_bytes(data)
    plan = plan_of(path)
    with pytest.raises(IntegrityError, match=r"a\.parquet row groups 0-0: cannot be decoded"):
        read(plan)


def test_a_file_that_is_gone_or_shorter_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"messages": TALK}] * 10)
    plan = plan_of(path)
    write(path, [{"messages": TALK}] * 9)
    with pytest.raises(IntegrityError, match=r"a\.parquet: is not the file that was planned"):
        read(plan)
    path.unlink()
    with pytest.raises(IntegrityError, match=r"a\.parquet: is gone"):
        read(plan)


def test_a_column_that_comes_later_is_kept_as_json(tmp_path: Path) -> None:
    plan = plan_of(write(tmp_path / "a.parquet", [{"messages": TALK, "n": 1}]))
    later = plan_of(write(tmp_path / "a.parquet", [{"messages": TALK, "n": "text", "late": {"x": 1, "y": None}}]))
    (batch,) = read(replace(plan, shards=later.shards))
    (row,) = batch.table.to_pylist()
    assert row["n"] is None
    assert json.loads(row["pm_extra"]) == {"n": "text", "late": {"x": 1}}


def test_dictionary_encoded_and_nested_columns_pass_through(tmp_path: Path) -> None:
    table = pa.table(
        {
            "messages": pa.array([TALK] * 3, tables.MESSAGES),
            "source": pa.array(["a", "b", "a"]).dictionary_encode(),
            "meta": pa.array([{"k": [1, 2]}, None, {"k": None}]),
            "day": pa.array([datetime.date(2026, 1, 1)] * 3),
        }
    )
    (batch,) = read(plan_of(write(tmp_path / "a.parquet", table)))
    assert batch.table["source"].type == pa.string()
    assert batch.table["source"].to_pylist() == ["a", "b", "a"]
    assert batch.table["meta"].to_pylist() == [{"k": [1, 2]}, None, {"k": None}]
    assert batch.table["day"].type == pa.date32()


def repeating(n_rows: int, texts: list[str], first: tuple[int | None, ...] = ()) -> pa.Table:
    """Rows of one turn whose contents are numbers of ``texts``: ``first``, where None is no turn, then each in turn."""
    wanted = [*first, *(row % len(texts) for row in range(n_rows - len(first)))]
    numbers = [number for number in wanted if number is not None]
    contents = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), texts)
    turn = pa.StructArray.from_arrays([pa.array(["assistant"] * len(numbers)), contents], ["role", "content"])
    offsets = np.cumsum([0, *(number is not None for number in wanted)])
    talks = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), turn)
    return pa.table({"id": [str(row) for row in range(n_rows)], "messages": talks})


@pytest.mark.parametrize("store_schema", [True, False])
@pytest.mark.parametrize("first", [(), (None,) * 3000])
def test_texts_that_repeat_are_never_written_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store_schema: bool, first: tuple[None, ...]
) -> None:
    monkeypatch.setattr(parquet_rows, "BATCH_BYTES", 1_000_000)
    texts = ["a" * 50_000, "b" * 60_000]
    path = tmp_path / "a.parquet"
    pq.write_table(repeating(3500, texts, first), path, store_schema=store_schema)
    assert path.stat().st_size < 400_000
    assert swelling(str(path), pq.read_metadata(path), [0], 1_000_000, 1000) == ["messages.list.element.content"]
    before = pa.total_allocated_bytes()
    count = 0
    for batch in read_shard((plan := plan_of(path)).shards[0], plan):
        assert batch.table.get_total_buffer_size() < 3_000_000
        assert pa.total_allocated_bytes() - before < 8_000_000
        for row in batch.table.select(["id", "messages"]).to_pylist():
            assert row["messages"] == [{"role": "assistant", "content": texts[(count - len(first)) % 2]}]
            assert row["id"] == str(count + len(first))
            count += 1
    assert count == 3500 - len(first)


def test_what_hardly_repeats_is_read_plainly(tmp_path: Path) -> None:
    """Roles, names, and texts of which a writer put the first megabyte into a dictionary."""
    rows = [
        {
            "id": f"r{row}",
            "messages": [{"role": "user", "content": f"{row} " * (9000 if row == 5 else 90)}],
            "source": "s",
        }
        for row in range(20_000)
    ]
    path = write(tmp_path / "a.parquet", rows)
    column = pq.read_metadata(path).row_group(0).column(2)
    assert column.path_in_schema == "messages.list.element.content"
    assert column.has_dictionary_page
    assert swelling(str(path), pq.read_metadata(path), [0], 100_000, 1000) == []


def test_what_repeats_much_is_read_all_the_same(tmp_path: Path) -> None:
    """Many questions on one document, a large row after small ones, and a column of names beside both."""
    rows = [
        {"messages": [TALK[0], {**TALK[1], "content": "y" * (200_000 if row == 2999 else 1)}]} for row in range(3000)
    ]
    table = pa.Table.from_pylist(rows).append_column("source", pa.array(["s"] * 3000).dictionary_encode())
    path = write(tmp_path / "a.parquet", table, row_group_size=1000)
    assert sum(batch.table.num_rows for batch in read(plan_of(path))) == 3000
    path = write(tmp_path / "b.parquet", repeating(2000, ["z" * 200_000]))
    assert path.stat().st_size < 100_000
    assert sum(batch.table.num_rows for batch in read(plan_of(path))) == 2000


def test_repeats_are_measured_in_lists_of_any_layout(tmp_path: Path) -> None:
    made = repeating(300, ["a" * 50_000])
    turns = made["messages"].combine_chunks().values
    for kind in (pa.list_(turns.type, 1), pa.list_view(turns.type), pa.large_list(turns.type)):
        path = tmp_path / "a.parquet"
        listed = pa.array(made["messages"].to_pylist(), kind)
        pq.write_table(made.set_column(1, "messages", listed), path)
        (name,) = swelling(str(path), pq.read_metadata(path), [0], 1_000_000, 50)
        assert name.endswith("content")
        assert sum(batch.table.num_rows for batch in read(plan_of(path))) == 300


def test_a_bad_value_of_a_dictionary_costs_its_own_rows(tmp_path: Path) -> None:
    words = pa.array([b"good", b"b\xffd"]).view(pa.string())
    marks = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, None], pa.int32()), words)
    pairs = pa.MapArray.from_arrays([0, 1, 2, 3, 4], pa.array(["k"] * 4), marks)
    for column in (marks, pairs):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"messages": pa.array([TALK] * 4), "mark": column}), path)
        (batch,) = read(plan_of(path))
        assert batch.row.to_pylist() == [0, 2, 3]
        assert batch.quarantine["reason"].to_pylist() == ["invalid_utf8"]


def test_a_page_header_with_a_field_that_nobody_knows(tmp_path: Path) -> None:
    """A list of bytes where the checksum of the dictionary's page stood: Arrow skips it, and so do we."""
    path = tmp_path / "a.parquet"
    pq.write_table(
        repeating(100, ["a" * 60_000]), path, store_schema=False, write_page_checksum=True, compression="none"
    )
    column = pq.read_metadata(path).row_group(0).column(2)
    data = bytearray(path.read_bytes())
    about_dictionary = data.index(b"\x3c", column.dictionary_page_offset)
    checksum = slice(about_dictionary - 6, about_dictionary)
    assert data[checksum.start] == 0x15
    data[checksum] = b"\x19\x43\x01\x02\x03\x04"
    path.write_bytes(data)
    with path.open("rb") as stream:
        first, second = pages(column, stream)
    assert (first.is_dictionary, first.unpacked, first.numbers) == (True, 60_004, 0)
    assert (second.is_dictionary, second.numbers) == (False, 100)
    assert swelling(str(path), pq.read_metadata(path), [0], 1_000_000, 50) == [column.path_in_schema]
    assert sum(batch.table.num_rows for batch in read(plan_of(path))) == 100


def test_arrays_are_written_out_as_they_are() -> None:
    numbers = pa.array([0, 1, None, 1, 0, 1], pa.int32())
    text = pa.DictionaryArray.from_arrays(numbers, ["a", "bb"])
    struct = pa.StructArray.from_arrays([text, pa.array(range(6))], ["c", "n"])
    gone = pa.array([False, True, False, False])
    offsets = [0, 2, 2, 5, 6]
    keys = pa.array(list("abcdef"))
    arrays = [text, struct, pa.MapArray.from_arrays(offsets, keys, text, mask=gone)]
    for made in (pa.ListArray, pa.LargeListArray):
        arrays += [made.from_arrays(offsets, struct), made.from_arrays(offsets, text, mask=gone)]
        arrays.append(pa.StructArray.from_arrays([arrays[-1]], ["x"], mask=gone))
        arrays.append(made.from_arrays([0, 1, 3, 4], arrays[-2]))
    arrays.append(pa.StructArray.from_arrays([pa.FixedSizeListArray.from_arrays(text, 2)], ["x"]))
    arrays.append(pa.ListArray.from_arrays([0, 1, 1, 2, 3], pa.FixedSizeListArray.from_arrays(text, 2)))
    views = pa.ListViewArray.from_arrays([2, 0, 1], [2, 1, 0], text)
    arrays.append(pa.StructArray.from_arrays([views], ["x"]))
    for array in arrays:
        for part in (array, array.slice(1), array.slice(1, 1), array.slice(0, 0), array.slice(2)):
            plain = written_out(part)
            plain.validate(full=True)
            assert plain.to_pylist() == part.to_pylist()
            assert plain.type == without_dictionaries(part.type)
            assert not has_dictionaries(plain.type)


def test_extras_of_messages_are_json_by_turn(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}], "name": None}
    rows = [{"messages": [TALK[0], call]}, {"messages": TALK}]
    (batch,) = read(plan_of(write(tmp_path / "a.parquet", rows)))
    extra = batch.table["pm_messages_extra"].to_pylist()
    assert json.loads(extra[0]) == [None, {"tool_calls": [{"id": "1"}]}]
    assert extra[1] is None
    assert batch.table["messages"].to_pylist()[0][1] == {"role": "assistant", "content": ""}


def test_preference_rows(tmp_path: Path) -> None:
    no = {"role": "assistant", "content": "no", "weight": 1}
    rows = [{"prompt": "q", "chosen": TALK, "rejected": [TALK[0], no], "score": 0.5}]
    (batch,) = read(plan_of(write(tmp_path / "a.parquet", rows)))
    (row,) = batch.table.to_pylist()
    assert batch.table.schema.names[:5] == ["id", "prompt", "chosen", "rejected", "pm_messages_extra"]
    assert (row["prompt"], row["chosen"], row["score"]) == (TALK[:1], TALK[1:], 0.5)
    assert row["rejected"] == [{"role": "assistant", "content": "no"}]
    assert json.loads(row["pm_messages_extra"]) == {"prompt": [None], "chosen": [None], "rejected": [{"weight": 1}]}


def test_an_empty_row_group_and_a_file_of_bad_rows(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", pa.table({"messages": pa.array([], tables.MESSAGES)}))
    write(tmp_path / "b.parquet", pa.table({"messages": pa.array([None] * 3, tables.MESSAGES)}))
    batches = read(plan_of(tmp_path))
    assert sum(batch.table.num_rows for batch in batches) == 0
    assert sum(batch.quarantine.num_rows for batch in batches) == 3


def test_sampled_rows_skip_row_groups(tmp_path: Path) -> None:
    rows = [{"id": str(row), "messages": TALK if row % 7 else TALK[:1]} for row in range(200)]
    path = write(tmp_path / "a.parquet", rows, row_group_size=20)
    plan = plan_input(InputConfig(path=(str(path),)), limit=15, seed=2)
    batches = read(plan)
    (wanted,) = plan.sample.values()  # type: ignore[union-attr]
    seen = [row for batch in batches for row in (*batch.row.to_pylist(), *batch.quarantine["row"].to_pylist())]
    assert sorted(seen) == wanted.tolist()
    assert all(int(entry["row_id"]) == entry["row"] for batch in batches for entry in batch.quarantine.to_pylist())
    assert np.all(np.diff(wanted) > 0)


def test_a_remote_file_is_read_like_a_local_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"messages": TALK, "n": row} for row in range(20)], row_group_size=5)
    fsspec.filesystem("memory").pipe("/remote/a.parquet", path.read_bytes())
    remote = plan_input(InputConfig(path=("memory://remote/*.parquet",)))
    local = plan_of(path)
    assert remote.fingerprint() == local.fingerprint()
    assert [batch.table for batch in read(remote)] == [batch.table for batch in read(local)]


def varint(value: int) -> bytes:
    """Return a size as a footer writes it."""
    value, digits = value << 1, []
    while value or not digits:
        digits.append(value & 127 | 128)
        value >>= 7
    digits[-1] &= 127
    return bytes(digits)


def without_sizes(path: Path) -> None:
    """Set what a file's columns are said to unpack to to 0, as some writers leave it."""
    data, footer = bytearray(path.read_bytes()), pq.read_metadata(path)
    for place in range(footer.num_columns):
        honest = b"\x16" + varint(footer.row_group(0).column(place).total_uncompressed_size)
        at = data.index(honest, len(data) - 8 - footer.serialized_size)
        data[at + 1 : at + len(honest)] = b"\x80" * (len(honest) - 2) + b"\0"
    path.write_bytes(data)


def test_a_footer_without_sizes_is_read(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "The port is open. " * 40}
    rows = [{"messages": [{"role": "user", "content": f"q{row}"}, answer]} for row in range(200)]
    path = write(tmp_path / "a.parquet", rows, compression="zstd", use_dictionary=False)
    page = largest_page([str(path)])
    without_sizes(path)
    footer = pq.read_metadata(path).row_group(0)
    assert {footer.column(place).total_uncompressed_size for place in range(footer.num_columns)} == {0}
    assert sum(batch.table.num_rows for batch in read(plan_of(path))) == 200
    assert largest_page([str(path)]) == page > 100_000


def test_page_headers_of_structs_without_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"messages": TALK}] * 300, compression="none", use_dictionary=False)
    column = pq.read_metadata(path).row_group(0).column(1)
    data = bytearray(path.read_bytes())
    stop = column.data_page_offset + column.total_compressed_size
    data[column.data_page_offset : stop] = b"\x1c" * column.total_compressed_size
    assert column.total_compressed_size > 1000
    path.write_bytes(data)
    plan = plan_of(path)
    with pytest.raises(IntegrityError, match=r"a\.parquet row groups 0-0: cannot be decoded"):
        read(plan)
