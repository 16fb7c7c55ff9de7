"""JSON files as rows of bytes: lines of plain and compressed files, elements of arrays, each read once in order."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import blake3
import ijson

from phrasemill.engine.ingest_depth import is_too_deep
from phrasemill.engine.ingest_numbers import with_floats
from phrasemill.engine.ingest_quarantine import MAX_RAW_BYTES, MAX_ROW_BYTES
from phrasemill.engine.source import STREAM_ERRORS, SourceFile, open_plain, open_raw
from phrasemill.schemas.errors import IntegrityError

if TYPE_CHECKING:
    from phrasemill.engine.shards import Shard

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""Lines are read and parsed in blocks of about this many bytes."""

MAX_OPEN: Final = 1_000
"""Brackets that an element of an array may have open at once: each costs the parser as much time as are open."""

MAX_DIGITS: Final = 600
"""Digits of a whole number in an array: no float has as many, and the parser does not survive what Python refuses."""

ARRAY_READ_BYTES: Final = 16 * 1024

_OVERFLOW: Final = "integer overflow"
_LONG_NUMBER: Final = re.compile(rb"[\[,:\s-]\d{%d}" % (MAX_DIGITS + 1))

READ_BYTES: Final = 1024 * 1024
BOM: Final = b"\xef\xbb\xbf"
MAX_ELEMENT_BYTES: Final = 64 * 1024 * 1024
"""How far an element of an array may reach: it is held as a whole, which a line is not."""


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


def read_blocks(shard: Shard, block_bytes: int | None = None) -> Iterator[Block | LongLine]:
    """Return the lines of a shard in order, in blocks of about ``block_bytes``, at most ``BLOCK_BYTES``.

    Raises:
        IntegrityError: the stream is damaged. How many rows follow cannot be known, so none may count as read.

    """
    pending = bytearray()
    enough = BLOCK_BYTES if block_bytes is None else min(block_bytes, BLOCK_BYTES)
    try:
        stream = _Ranged(shard)
        with stream.file:
            while chunk := stream.read():
                pending += chunk
                if len(pending) < enough:
                    continue
                cut = pending.rfind(b"\n") + 1
                if cut:
                    yield Block(bytes(memoryview(pending)[:cut]))
                    pending = pending[cut:]
                elif len(pending) > MAX_ROW_BYTES:
                    long, pending = _finish_long_line(stream, pending)
                    yield long
    except STREAM_ERRORS as error:
        raise _damaged(shard, error) from error
    if pending:
        yield Block(bytes(pending))


def _damaged(shard: Shard, error: Exception) -> IntegrityError:
    told = str(error).split("\n")[0] or type(error).__name__
    return IntegrityError(
        f"{shard.source}: cannot be read to its end: {told}; nothing of it is published. Restore the file, or put one "
        "with what can be read of it in its place, and run again"
    )


def lines_of(block: Block) -> list[bytes]:
    """Return the lines that are rows: those that are not blank, without line ends."""
    return [line for line in block.data.split(b"\n") if line and not line.isspace()]


def array_items(shard: Shard) -> Iterator[Any]:
    """Return the elements of a JSON array, one at a time.

    Raises:
        IntegrityError: the file is damaged or no JSON, or an element is larger than ``MAX_ELEMENT_BYTES``.

    """
    try:
        yield from elements(lambda: open_plain(shard.path, shard.compression))
    except (*STREAM_ERRORS, ijson.JSONError, UnicodeError) as error:
        raise _damaged(shard, error) from error


def elements(opened: Callable[[], io.BufferedIOBase]) -> Iterator[Any]:
    """Return the elements of the JSON array in a stream, whole numbers of any size as such.

    ``opened`` gives the stream from its start; it is called once more where a number needs more than 64 bits: the
    quick parser stops at it. An element that is nested too deep has decimals for floats from there on.

    Raises:
        ijson.JSONError, UnicodeError, EOFError: this is no array, or there is no end to an element or number of it.

    """
    done = 0
    try:
        with opened() as stream:
            for item in _items(_ArrayStream(stream), use_float=True):
                done += 1
                yield item
        return
    except ijson.JSONError as error:
        if _OVERFLOW not in str(error).split("\n")[0]:
            raise
    try:
        with opened() as stream:
            for item in islice(_items(_ShortNumbers(stream), use_float=False), done, None):
                yield item if isinstance(item, dict | list) and is_too_deep(item) else with_floats(item)
    except ArithmeticError as error:
        raise EOFError("a number is larger than any float") from error


def _items(source: _ArrayStream, *, use_float: bool) -> Iterator[Any]:
    for item in ijson.items(source, "item", use_float=use_float, buf_size=ARRAY_READ_BYTES):
        source.taken()
        yield item


def count_rows(shard: Shard) -> int:
    """How many rows reading this JSON shard gives."""
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


class _ArrayStream:
    """A stream without its byte order mark, which ends with an error where an element is too large or too deep.

    Whoever takes an element calls ``taken``.
    """

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._head = stream.read(len(BOM)).removeprefix(BOM)
        self._stream = stream
        self._size = 0
        self._open = 0

    def taken(self) -> None:
        """Count anew: an element is complete."""
        self._size = self._open = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. EOFError: there is no end to an element."""
        if not size:
            return b""
        # the parser goes over a text from its start with each piece of it: pieces that grow keep that linear
        data, self._head = self._head or self._stream.read(max(size, self._size // 2)), b""
        self._size += len(data)
        deepest = 0
        for start in range(0, len(data), ARRAY_READ_BYTES):
            piece = data[start : start + ARRAY_READ_BYTES]
            self._open += piece.count(b"[") + piece.count(b"{") - piece.count(b"]") - piece.count(b"}")
            deepest = max(deepest, self._open)
        if self._size > MAX_ELEMENT_BYTES or deepest > MAX_OPEN:
            raise EOFError(
                f"an element has more than {MAX_ELEMENT_BYTES} bytes, or {MAX_OPEN} brackets open at once; write the "
                "rows as JSON lines, where such a row costs itself alone"
            )
        return data


class _ShortNumbers(_ArrayStream):
    """The same, which ends with an error at a whole number of more than ``MAX_DIGITS`` digits too."""

    _tail = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. EOFError: there is no end to an element or a number."""
        data = super().read(size)
        near = self._tail + data
        if _LONG_NUMBER.search(near):
            raise EOFError(f"a number has more than {MAX_DIGITS} digits")
        self._tail = near[-MAX_DIGITS - 2 :]
        return data
