"""Small files that unpack to gigabytes are refused, or cost their row, and never unpacked as a whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.hostile.case import lines, parquet, rows
from tests.hostile.commands import Answer, Commands

MIB = 1024 * 1024
GIANT = 256 * MIB
"""Bytes of one string: past what a row group may have a row, and past ``ALLOWED``."""

ALLOWED = 200 * MIB
"""Memory that a command may take beyond what the same command takes for three rows."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Commands, int]]:
    """A process, and its peak after cleaning three rows."""
    made = Commands()
    folder = tmp_path_factory.mktemp("small")
    parquet(folder / "a.parquet", rows(3))
    answer = made.run("clean", "-q", "-o", folder / "out", folder / "a.parquet")
    assert answer.code == 0, answer.stderr
    yield made, answer.peak
    made.close()


def clean(commands: tuple[Commands, int], path: Path) -> Answer:
    """Clean one file; no more memory is taken than is allowed."""
    made, before = commands
    answer = made.run("clean", "-q", "-o", path.parent / "out", path)
    assert "Traceback" not in answer.stderr
    assert answer.peak < before + ALLOWED
    return answer


def giant(path: Path) -> None:
    """One row with a giant string, in some 25 kB."""
    text = pa.array([b"a" * GIANT]).view(pa.string())
    pq.write_table(pa.table({"prompt": ["q"], "completion": text}), path, compression="zstd", use_dictionary=False)


def varint(value: int, length: int = 0) -> bytes:
    """Return a number as Thrift writes it, made longer with zeroes that mean nothing."""
    value, digits = value << 1, []
    while value or not digits or len(digits) < length:
        digits.append(value & 127 | 128)
        value >>= 7
    digits[-1] &= 127
    return bytes(digits)


def test_a_giant_string_is_refused_by_the_footer(commands: tuple[Commands, int], tmp_path: Path) -> None:
    giant(tmp_path / "a.parquet")
    answer = clean(commands, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 200_000
    assert answer.code == 2
    assert "a.parquet" in answer.stderr
    assert "unpack to" in answer.stderr
    assert not (tmp_path / "out").exists()


def test_a_footer_that_lies_about_it_is_found_out(commands: tuple[Commands, int], tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    giant(path)
    data, footer = path.read_bytes(), pq.read_metadata(path)
    group = footer.row_group(0)
    start = len(data) - 8 - footer.serialized_size
    lied = data[start:]
    for size in (group.total_byte_size, group.column(1).total_uncompressed_size):
        honest = varint(size)
        assert honest in lied
        lied = lied.replace(honest, varint(1000, len(honest)))
    path.write_bytes(data[:start] + lied)
    assert pq.read_metadata(path).row_group(0).total_byte_size == 1000
    answer = clean(commands, path)
    assert answer.code == 2
    assert "unpacks to" in answer.stderr


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_line_that_never_ends_costs_its_row(commands: tuple[Commands, int], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with gzip.open(path, "wb", 6) if name.endswith("gz") else zstandard.open(path, "wb") as target:
        target.write(lines(rows(3)) + b'{"id": "')
        for _ in range(256):
            target.write(b"x" * MIB)
        target.write(b'"}\n' + lines(rows(3)))
    assert path.stat().st_size < MIB
    answer = clean(commands, path)
    assert answer.code == 3
    assert "1 of 7 rows were quarantined" in answer.stderr


def test_an_element_that_never_ends_is_refused(commands: tuple[Commands, int], tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    with gzip.open(path, "wb", 6) as target:
        target.write(json.dumps(rows(3)).encode()[:-1] + b', {"id": "')
        for _ in range(256):
            target.write(b"x" * MIB)
    answer = clean(commands, path)
    assert answer.code == 5
    assert "a.json.gz" in answer.stderr
    assert "JSON lines" in answer.stderr
