"""JSON lines and arrays become canonical rows, by column where the lines allow it and one by one elsewhere."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from phrasemill.engine import ingest_lines, json_rows
from phrasemill.engine.json_rows import block_schema
from phrasemill.engine.read import RowBatch, read_shard, table_schema
from phrasemill.engine.shards import InputPlan, plan_input
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import IntegrityError

TALK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
GOOD = {"id": "g", "messages": TALK}


def plan_of(path: Path, **options: Any) -> InputPlan:
    return plan_input(InputConfig(path=(str(path),)), **options)


def read(plan: InputPlan) -> list[RowBatch]:
    return [batch for shard in plan.shards for batch in read_shard(shard, plan)]


def outcome(plan: InputPlan) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """The usable rows with their index, and (index, reason) of the others."""
    batches = read(plan)
    assert all(batch.table.schema == table_schema(plan) for batch in batches)
    good = [
        {"row": row, **values}
        for batch in batches
        for row, values in zip(batch.row.to_pylist(), batch.table.to_pylist(), strict=True)
    ]
    bad = [(entry["row"], entry["reason"]) for batch in batches for entry in batch.quarantine.to_pylist()]
    return good, bad


def lines(path: Path, *rows: Any) -> Path:
    data = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
    path.write_bytes(b"\n".join(data) + b"\n")
    return path


def test_every_packing_gives_the_same_rows(tmp_path: Path) -> None:
    rows = [{"id": str(row), "messages": TALK, "n": row} for row in range(20)]
    data = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    packings = {
        "a.jsonl": data,
        "b.ndjson": b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n").rstrip(),
        "c.jsonl.gz": gzip.compress(data),
        "d.jsonl.zst": zstandard.compress(data),
        "e.json": json.dumps(rows, indent=1).encode(),
        "f.json.gz": gzip.compress(b"\xef\xbb\xbf" + orjson.dumps(rows)),
        "g.json": data,
    }
    expected = None
    for name, packed in packings.items():
        (tmp_path / name).write_bytes(packed)
        good, bad = outcome(plan_of(tmp_path / name))
        assert bad == []
        assert len(good) == 20
        expected = expected or good
        assert good == expected, name


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    good, bad = outcome(plan_of(lines(tmp_path / "a.jsonl", b"", GOOD, b"  \t", GOOD, b"\r", b"")))
    assert ([row["row"] for row in good], bad) == ([0, 1], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "x", "messages": [', "bad_json"),
        (b"[1, 2]", "bad_json"),
        (b"7", "bad_json"),
        (b'{"id": "x"} {"id": "y"}', "bad_json"),
        (b'{"id": "x"} {"id": "y"}\n', "bad_json"),
        (b'{"id": "\\ud800", "messages": []}', "bad_json"),
        (b'{"id": "x", "messages": [{"role": "user", "content": "\xff"}]}', "invalid_utf8"),
        (b'{"id": "x"}', "no_messages"),
        (b'{"id": "x", "messages": "text"}', "no_assistant_turn"),
        (b'{"id": "x", "messages": [{"role": "assistant"}]}', "null_content"),
        (b'{"id": "x", "messages": [{"role": "assistant", "content": {"a": 1}}]}', "not_text"),
    ],
)
def test_a_bad_line_costs_itself(tmp_path: Path, line: bytes, reason: str) -> None:
    plan = plan_of(lines(tmp_path / "a.jsonl", GOOD, line, GOOD))
    good, bad = outcome(plan)
    assert ([row["row"] for row in good], bad) == ([0, 2], [(1, reason)])
    (entry,) = [entry for batch in read(plan) for entry in batch.quarantine.to_pylist()]
    raw = base64.b64decode(entry["raw"]) if reason == "invalid_utf8" else entry["raw"].encode()
    assert raw == line.rstrip()
    assert entry["raw_bytes"] == len(line.rstrip())


def test_late_and_unfitting_values_go_to_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phrasemill.engine.ingest_sample.SAMPLE_BYTES", 2000)
    usual = [GOOD | {"n": row, "f": 0.5, "s": "t", "tags": ["a"], "b": True} for row in range(50)]
    odd = GOOD | {"n": 1.5, "f": 2**60, "s": 7, "tags": [1], "b": 1, "new": [None], "gone": None}
    fits = GOOD | {"n": 2**62, "f": 3, "s": None, "tags": [None], "b": None}
    plan = plan_of(lines(tmp_path / "a.jsonl", *usual, odd, fits))
    good, bad = outcome(plan)
    assert bad == []
    assert orjson.loads(good[50]["pm_extra"]) == {"n": 1.5, "f": 2**60, "s": 7, "tags": [1], "b": 1, "new": [None]}
    assert [good[50][name] for name in ("n", "f", "s", "tags", "b")] == [None] * 5
    assert [good[51][name] for name in ("n", "f", "s", "tags", "b", "pm_extra")] == [
        2**62,
        3.0,
        None,
        [None],
        None,
        None,
    ]


def test_mixed_and_nested_columns_are_json_text(tmp_path: Path) -> None:
    rows = [GOOD | {"m": 1, "d": {"a": None}}, GOOD | {"m": "one", "d": None}, GOOD | {"m": [1, "x"]}]
    good, _ = outcome(plan_of(lines(tmp_path / "a.jsonl", *rows)))
    assert [row["m"] for row in good] == ["1", '"one"', '[1,"x"]']
    assert [row["d"] for row in good] == ['{"a":null}', None, None]


def test_ids_of_any_kind_become_text(tmp_path: Path) -> None:
    rows = [{"id": value, "messages": TALK} for value in (1, "a", None, True)]
    good, _ = outcome(plan_of(lines(tmp_path / "a.jsonl", *rows)))
    assert [row["id"] for row in good[:2]] == ["1", "a"]
    assert len(good[2]["id"]) == 32
    assert good[3]["id"] == "true"


def test_extras_keep_their_json_exactly(tmp_path: Path) -> None:
    arguments = {"city": None, "deep": {"x": [1, 2.0]}}
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": arguments}}]}
    good, _ = outcome(plan_of(lines(tmp_path / "a.jsonl", {"id": "x", "messages": [TALK[0], call]}, GOOD)))
    assert orjson.loads(good[0]["pm_messages_extra"]) == [
        None,
        {"tool_calls": [{"function": {"arguments": arguments}}]},
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}], TALK),
        ([{"instruction": "q", "input": "", "output": "a"}], TALK),
        ([{"prompt": "q", "completion": "a"}], TALK),
        ([{"prompt": [TALK[0]], "completion": [TALK[1]]}], TALK),
    ],
)
def test_shapes_are_read_by_column(tmp_path: Path, rows: list[dict[str, Any]], expected: Any) -> None:
    plan = plan_of(lines(tmp_path / "a.jsonl", *rows))
    assert block_schema(plan) is not None
    good, bad = outcome(plan)
    assert (bad, good[0]["messages"]) == ([], expected)


def test_one_odd_line_does_not_change_its_neighbours(tmp_path: Path) -> None:
    rows = [{"id": str(row), "messages": TALK, "n": row, "f": row / 3, "s": "é\u2028"} for row in range(30)]
    by_column, _ = outcome(plan_of(lines(tmp_path / "a.jsonl", *rows)))
    one_by_one, bad = outcome(plan_of(lines(tmp_path / "b.jsonl", *rows, b"{")))
    assert one_by_one == by_column
    assert bad == [(30, "bad_json")]


def test_a_line_too_long_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ingest_lines, json_rows):
        monkeypatch.setattr(module, "MAX_ROW_BYTES", 3000)
    monkeypatch.setattr(ingest_lines, "READ_BYTES", 700)
    monkeypatch.setattr(ingest_lines, "BLOCK_BYTES", 1500)
    long = GOOD | {"note": "x" * 20_000}
    longish = GOOD | {"note": "x" * 3100}
    rows = [GOOD | {"note": "n"}] * 20 + [long] + [GOOD] * 20 + [longish, GOOD, long]
    plan = plan_of(lines(tmp_path / "a.jsonl", *rows))
    good, bad = outcome(plan)
    assert bad == [(20, "too_large"), (41, "too_large"), (43, "too_large")]
    assert [row["row"] for row in good] == [*range(20), *range(21, 41), 42]
    entries = [entry for batch in read(plan) for entry in batch.quarantine.to_pylist()]
    assert [entry["raw_bytes"] for entry in entries] == [len(orjson.dumps(row)) for row in (long, longish, long)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.json.gz"])
def test_a_cut_off_file_is_an_integrity_error(tmp_path: Path, name: str) -> None:
    rows = [GOOD | {"id": str(row), "note": f"{row * 7919 % 10007}" * 9} for row in range(3000)]
    data = orjson.dumps(rows) if "json." in name else b"".join(orjson.dumps(row) + b"\n" for row in rows)
    packed = gzip.compress(data) if name.endswith("gz") else zstandard.ZstdCompressor(level=1).compress(data)
    (tmp_path / name).write_bytes(packed[: len(packed) // 2])
    plan = plan_of(tmp_path / name)
    with pytest.raises(IntegrityError, match=rf"{name}: cannot be read to its end"):
        read(plan)
    with pytest.raises(IntegrityError, match=rf"{name}: cannot be read to its end"):
        plan_of(tmp_path / name, limit=5)


def test_a_broken_array_is_an_integrity_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[" + orjson.dumps(GOOD) + b"," + orjson.dumps(GOOD) + b', {"id": 1')
    with pytest.raises(IntegrityError, match=r"a\.json: cannot be read to its end"):
        read(plan_of(tmp_path / "a.json"))


def test_elements_of_an_array_that_are_no_objects(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(orjson.dumps([GOOD, 5, None, "x", GOOD]))
    good, bad = outcome(plan_of(tmp_path / "a.json"))
    assert [row["row"] for row in good] == [0, 4]
    assert bad == [(1, "bad_json"), (2, "bad_json"), (3, "bad_json")]


def test_array_batches_are_cut_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "BATCH_BYTES", 1000)
    rows = [GOOD | {"id": str(row)} for row in range(100)]
    (tmp_path / "a.json").write_bytes(orjson.dumps(rows))
    plan = plan_of(tmp_path / "a.json")
    assert len(read(plan)) > 5
    good, _ = outcome(plan)
    assert [row["id"] for row in good] == [str(row) for row in range(100)]


def test_large_floats_stay_floats(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lines(tmp_path / "in" / "a.jsonl", GOOD | {"n": 12.5, "list": [0.5]})
    lines(tmp_path / "in" / "b.jsonl", GOOD | {"n": 3.1e19, "list": [-4e30]}, GOOD | {"n": 8.25, "list": []})
    plan = plan_of(tmp_path / "in")
    good, bad = outcome(plan)
    assert plan.json_columns == frozenset()
    assert ([row["n"] for row in good], bad) == ([12.5, 3.1e19, 8.25], [])
    assert [row["list"] for row in good] == [[0.5], [-4e30], []]


def test_whole_numbers_beyond_64_bits_stay_exact(tmp_path: Path) -> None:
    rows = (b'{"messages": %b, "n": %d, "f": 3.1e19}' % (orjson.dumps(TALK), 2**70 + at) for at in range(2))
    good, bad = outcome(plan_of(lines(tmp_path / "a.jsonl", *rows)))
    assert ([orjson.loads(row["n"]) for row in good], bad) == ([str(2**70), str(2**70 + 1)], [])
    assert [row["f"] for row in good] == [3.1e19, 3.1e19]


@pytest.mark.parametrize("large", [15833432145678901234, 2**70])
@pytest.mark.parametrize("name", ["a.json", "a.json.zst"])
def test_a_large_number_in_an_array_reads_as_in_lines(tmp_path: Path, name: str, large: int) -> None:
    numbers = (1, large, large + 1, 7)
    rows = [{"id": number, "messages": TALK, "f": 0.1, "n": number, "big": 3.1e19} for number in numbers]
    data = [json.dumps(row).encode() for row in rows]
    packed = b"[" + b",".join(data) + b"]"
    (tmp_path / name).write_bytes(zstandard.compress(packed) if name.endswith("zst") else packed)
    good, bad = outcome(plan_of(tmp_path / name))
    assert [row["id"] for row in good] == [str(number) for number in numbers]
    assert ([row["f"] for row in good], [row["big"] for row in good], bad) == ([0.1] * 4, [3.1e19] * 4, [])
    assert (good, bad) == outcome(plan_of(lines(tmp_path / "a.jsonl", *data)))


@pytest.mark.parametrize("odd", ["7" * 601, "-" + "7" * 5000, "1e400", "1e9999999999999999999999", "NaN"])
@pytest.mark.parametrize("gap", ["", " " * 16_200])
def test_numbers_of_an_array_that_are_none(tmp_path: Path, odd: str, gap: str) -> None:
    row = orjson.dumps(GOOD).decode()
    text = f'[{row}, {row[:-1]}, "n": {2**70}}}, {row[:-1]}, {gap}"x": {odd}}}, {row}]'
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"a\.json: cannot be read to its end"):
        read(plan_of(tmp_path / "a.json"))


def test_deep_elements_behind_a_large_number_cost_themselves(tmp_path: Path) -> None:
    row = orjson.dumps(GOOD).decode()
    deep = "[" * 150 + "0.5" + "]" * 150
    deepest = "[" * 990 + "0.5" + "]" * 990
    rows = [row, f'{row[:-1]}, "n": {2**70}}}', f'{row[:-1]}, "x": {deep}}}', f'{row[:-1]}, "x": {deepest}}}', row]
    (tmp_path / "a.json").write_text(f"[{','.join(rows)}]")
    good, bad = outcome(plan_of(tmp_path / "a.json"))
    assert ([row["row"] for row in good], bad) == ([0, 1, 4], [(2, "bad_json"), (3, "bad_json")])


def test_a_deep_line_with_a_large_float_costs_itself(tmp_path: Path) -> None:
    deep = orjson.dumps(GOOD | {"s": 1e30})[:-1] + b', "x": ' + b"[" * 990 + b"]" * 990 + b"}"
    good, bad = outcome(plan_of(lines(tmp_path / "a.jsonl", GOOD, deep, GOOD)))
    assert ([row["row"] for row in good], bad) == ([0, 2], [(1, "bad_json")])
