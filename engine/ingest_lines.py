"""JSON files as rows of bytes: lines of plain and compressed files, elements of arrays, each read once in order."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import blake3
import ijson
import zstandard

from phrasemill.engine.ingest_quarantine import MAX_RAW_BYTES, MAX_ROW_BYTES
from phrasemill.engine.source import SourceFile, open_plain, open_raw

if TYPE_CHECKING:
    from phrasemill.engine.shards import Shard

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""Lines are read and parsed in blocks of about this many bytes."""

READ_BYTES: Final = 1024 * 1024
BOM: Final = b"\xef\xbb\xbf"
STREAM_ERRORS: Final = (OSError, EOFError, zstandard.ZstdError)
"""What a damaged file or compressed stream raises while it is read."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, the last one perhaps without its line end."""

    data: bytes

    def count_if_objects(self) -> int | None:
        """Return the number of lines where each begins with a brace, else None."""
        n_lines = self.data.count(b"\n") + (not self.data.endswith(b"\n"))
        n_braces = self.data.count(b"\n{") + self.data.startswith(b"{")
        return n_lines if n_lines == n_braces else None


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line past the limit for a row: its beginning, and size and hash of the whole."""

    head: bytes
    size: int
    blake3: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream ends here because it is damaged; what follows cannot be read."""

    message: str


def line_start(file: SourceFile, position: int) -> int:
    """Return the first byte after the line end at or after ``position - 1``; the file's size when there is none."""
    if position >= file.size:
        return file.size
    with open_raw(file.path) as stream:
        stream.seek(position - 1)
        place = position - 1
        while chunk := stream.read(READ_BYTES):
            found = chunk.find(b"\n")
            if found >= 0:
                return place + found + 1
            place += len(chunk)
    return file.size


def read_blocks(shard: Shard) -> Iterator[Block | LongLine | Broken]:
    """Return the lines of a shard in order, in blocks of about ``BLOCK_BYTES``; ``Broken`` can only come last."""
    pending = bytearray()
    stream = _Ranged(shard)
    try:
        with stream.file:
            while chunk := stream.read():
                pending += chunk
                if len(pending) < BLOCK_BYTES:
                    continue
                cut = pending.rfind(b"\n") + 1
                if cut:
                    yield Block(bytes(memoryview(pending)[:cut]))
                    pending = pending[cut:]
                elif len(pending) > MAX_ROW_BYTES:
                    long, pending = _finish_long_line(stream, pending)
                    yield long
    except STREAM_ERRORS as error:
        if pending:
            yield Block(bytes(pending[: pending.rfind(b"\n") + 1]))
        yield Broken(str(error) or type(error).__name__)
        return
    if pending:
        yield Block(bytes(pending))


def lines_of(block: Block) -> list[bytes]:
    """Return the lines that are rows: those that are not blank, without line ends."""
    return [line for line in block.data.split(b"\n") if line and not line.isspace()]


def array_items(shard: Shard) -> Iterator[Any | Broken]:
    """Return the elements of a JSON array, one at a time."""
    try:
        with open_plain(shard.path, shard.compression) as stream:
            yield from ijson.items(_WithoutBom(stream), "item", use_float=True)
    except (*STREAM_ERRORS, ijson.JSONError) as error:
        yield Broken(str(error).split("\n")[0] or type(error).__name__)


def count_rows(shard: Shard) -> int:
    """How many rows reading this JSON shard gives, damaged ones included."""
    if shard.kind == "json":
        return sum(1 for _ in array_items(shard))
    return sum(len(lines_of(item)) if isinstance(item, Block) else 1 for item in read_blocks(shard))


class _Ranged:
    """The bytes of a shard after decompression, without a byte order mark."""

    def __init__(self, shard: Shard) -> None:
        plain = shard.compression == "none"
        self.file = open_plain(shard.path, shard.compression)
        self._left: int | None = shard.stop - shard.start if plain else None
        self._first = shard.start == 0
        if plain and shard.start:
            self.file.seek(shard.start)

    def read(self) -> bytes:
        # read1: what a damaged stream still holds comes before the error
        chunk = self.file.read1(READ_BYTES if self._left is None else min(READ_BYTES, self._left))
        if self._left is not None:
            self._left -= len(chunk)
        if self._first:
            self._first = False
            without = chunk.removeprefix(BOM)
            return without or (self.read() if chunk else b"")
        return chunk


def _finish_long_line(stream: _Ranged, begun: bytearray) -> tuple[LongLine, bytearray]:
    """Read to the end of a line that is too long without keeping it; the bytes after it are given back."""
    hasher = blake3.blake3(begun)
    head, size, rest = bytes(begun[:MAX_RAW_BYTES]), len(begun), bytearray()
    while chunk := stream.read():
        line, end, after = chunk.partition(b"\n")
        hasher.update(line)
        size += len(line)
        if end:
            rest = bytearray(after)
            break
    return LongLine(head, size, hasher.hexdigest()), rest


class _WithoutBom:
    """A stream without its byte order mark, that gives what a damaged file still holds before it raises."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._head = stream.read(len(BOM)).removeprefix(BOM)
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if self._head and size:
            head, self._head = self._head, b""
            return head
        return self._stream.read1(size)
