"""What a hostile input is, what must come of it, and the parts that such inputs are built from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

Build = Callable[[Path], Sequence[object] | None]
"""Writes the input into an empty folder. Returns the INPUT arguments where they are not just the folder."""

MESSAGE: Final = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA: Final = pa.schema([("id", pa.string()), ("messages", pa.list_(MESSAGE))])

GOOD_NAME: Final = "zz-good.parquet"
ANSWER: Final = "Bread is flour, water and salt, baked."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What must come of an input.

    ``code`` is the exit code; ``says`` are parts of what is printed on stderr; ``rows`` is how many rows of the input
    are published, ``quarantined`` how many end with each reason. Where ``code`` is 2 nothing may be written.
    """

    code: int = 0
    says: tuple[str, ...] = ()
    rows: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile input: what becomes of it alone, and of it ``beside`` a good file (None: the same).

    ``heavy`` ones are tried alone only. ``said``: what the last turn of published rows says, by id. ``needs``: why it
    cannot be tried here, or None.
    """

    build: Build
    alone: Outcome
    beside: Outcome | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    needs: Callable[[], str | None] = lambda: None
    heavy: bool = False


def refused(*says: str) -> Outcome:
    """Return: nothing is written, and the message has these parts."""
    return Outcome(2, says)


def broken(*says: str) -> Outcome:
    """Return: the file's shard is not published, the others are, and the message has these parts."""
    return Outcome(5, says)


def cleaned(rows: int, **quarantined: int) -> Outcome:
    """Return: this many rows are published; any that is quarantined is past the gate of a small input."""
    return Outcome(3 if quarantined else 0, (), rows, quarantined)


def talk(answer: object = ANSWER, question: object = "What is bread?") -> list[dict[str, object]]:
    """Return a conversation of two turns."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def row(name: object = "r", answer: object = ANSWER, **more: Any) -> dict[str, Any]:
    """Return one row."""
    return {"id": name, "messages": talk(answer), **more}


def rows(count: int, prefix: str = "r") -> list[dict[str, Any]]:
    """Return ``count`` rows with texts of their own."""
    return [row(f"{prefix}{at}", f"{ANSWER} Loaf {at}.") for at in range(count)]


GOOD: Final = rows(3, "good")


def line(value: Any) -> bytes:
    """Return the value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", errors="surrogatepass") + b"\n"


def lines(values: Sequence[Any]) -> bytes:
    """Return the values as lines of JSON."""
    return b"".join(map(line, values))


def parquet(path: Path, data: Sequence[dict[str, Any]] | pa.Table, **options: Any) -> bytes:
    """Write a Parquet file and return its bytes."""
    table = data if isinstance(data, pa.Table) else pa.Table.from_pylist(list(data), SCHEMA)
    pq.write_table(table, path, **options)
    return path.read_bytes()


def file(name: str, data: bytes) -> Build:
    """Return a builder of one file with these bytes."""

    def build(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return build
