"""Random bytes and random damage of valid files: never a traceback, a crash, a hang or a lost neighbour."""

from __future__ import annotations

import gzip
import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phrasemill.engine.manifest import TABLES, read_manifest, totals
from tests.hostile.case import GOOD, GOOD_NAME, lines, parquet, rows
from tests.hostile.commands import Commands

TRIES: Final = int(os.environ.get("HOSTILE_TRIES", "12"))
"""Examples of each test; a search by hand takes hundreds."""

TALKS: Final = [row | {"score": at, "tags": ["a", "b"][: at % 3]} for at, row in enumerate(rows(20))]


def originals() -> dict[str, bytes]:
    """Valid files by name: what is damaged."""
    text = lines(TALKS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        plain = parquet(path, rows(20), row_group_size=7, compression="none")
        checked = parquet(path, rows(20), compression="zstd", write_page_checksum=True, write_page_index=True)
    return {
        "plain.parquet": plain,
        "checked.parquet": checked,
        "a.jsonl": text,
        "a.json": json.dumps(TALKS).encode(),
        "a.jsonl.gz": gzip.compress(text, mtime=0),
        "a.jsonl.zst": zstandard.compress(text),
    }


ORIGINALS: Final = originals()


def damaged(data: bytes, seed: int) -> bytes:
    """Return the bytes after one to four of: a bit flipped, bytes set, a piece cut, doubled, moved or filled."""
    rng = random.Random(seed)
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        size = max(len(made), 1)
        # every other time near the end, where the footer of a Parquet file is
        place = rng.randrange(size) if rng.random() < 0.5 else max(size - 1 - rng.randrange(min(size, 800)), 0)
        length = rng.choice((1, 2, 8, 64, 500))
        kind = rng.randrange(6)
        if kind == 0 and made:
            made[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            made[place : place + length] = rng.randbytes(length)
        elif kind == 2:
            del made[place : place + length]
        elif kind == 3:
            made[place:place] = made[place : place + length]
        elif kind == 4:
            made[place : place + length] = bytes([rng.choice((0, 255, 0x7F, 0x80))]) * length
        else:
            made[place : place + 4] = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)).to_bytes(4, "little")
    return bytes(made)


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    made = Commands()
    yield made
    made.close()


def clean(commands: Commands, name: str, data: bytes) -> tuple[int, dict[str, object]]:
    """Clean a file beside a good one, whose rows must come out as they were; the exit code and what was published."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in", Path(folder) / "out"
        source.mkdir()
        (source / name).write_bytes(data)
        parquet(source / GOOD_NAME, GOOD)
        answer = commands.run("clean", "-q", "-o", out, "--workers", 1, source)
        assert "Traceback" not in answer.stderr, answer.stderr
        assert answer.code in (0, 2, 3, 5), answer
        if answer.code == 2:
            assert not out.exists()
            return 2, {}
        summed = totals(read_manifest(out))
        assert summed.rows_in == sum(summed.outcomes.values())
        frames = [pl.read_parquet(path, columns=["id", "messages"]) for path in (out / TABLES["sft"]).glob("*.parquet")]
        said = dict(pl.concat(frames).iter_rows())
        assert [said[row["id"]] for row in GOOD] == [row["messages"] for row in GOOD]
        return answer.code, said


@settings(max_examples=TRIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(ORIGINALS)), seed=st.integers(0, 2**32))
def test_damage(commands: Commands, name: str, seed: int) -> None:
    clean(commands, name, damaged(ORIGINALS[name], seed))


@settings(max_examples=TRIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(ORIGINALS)), data=st.binary(max_size=300))
def test_random_bytes(commands: Commands, name: str, data: bytes) -> None:
    clean(commands, name, data)


def test_a_flip_of_any_kind_in_checked_pages_is_found(commands: Commands) -> None:
    """Not one flipped bit in pages under checksums is read as data."""
    data = ORIGINALS["checked.parquet"]
    _, whole = clean(commands, "checked.parquet", data)
    rng = random.Random(5)
    for _ in range(8):
        place = rng.randrange(4, len(data) // 3)
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.randrange(8)
        code, said = clean(commands, "checked.parquet", bytes(flipped))
        # A page's header holds what nobody reads, such as the smallest value of an id: no checksum is over it.
        assert code in (2, 5) or (code == 0 and said == whole), place
