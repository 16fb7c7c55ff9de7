"""The log of requests in an object store: pieces of whole lines, so that another machine does not pay again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from blake3 import blake3

from phrasemill.engine.manifest import PlainFile
from phrasemill.engine.object_store_manifest import object_name

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

PIECES: Final = "_requests"
PIECE_BYTES: Final = 8 * 1024 * 1024


def held(log: Path, pieces: Sequence[PlainFile]) -> tuple[PlainFile, ...]:
    """The pieces that the log begins with; the lines after them are still to be sent."""
    return tuple(pieces[: _begins_with(log, pieces)])


def send_new_lines(store: ObjectStore, log: Path, sent: Sequence[PlainFile]) -> tuple[PlainFile, ...]:
    """Upload the whole lines that came after the pieces ``sent``; returns all pieces."""
    start = sum(piece.bytes for piece in sent)
    pieces = list(sent)
    with log.open("rb") as file:
        file.seek(start)
        for data in _whole_lines(file):
            digest = blake3(data).hexdigest()
            piece = PlainFile(path=object_name(f"{PIECES}/{start:015}.jsonl", digest), bytes=len(data), blake3=digest)
            store.put(piece.path, data)
            pieces.append(piece)
            start += len(data)
    return tuple(pieces)


def bring_log(store: ObjectStore, pieces: Sequence[PlainFile], log: Path) -> tuple[PlainFile, ...]:
    """Make the log begin with the pieces; lines that only the log has come after them.

    Returns the pieces that it begins with. A piece that is missing or damaged is left out with all that follow it:
    their requests are sent again.
    """
    common = _begins_with(log, pieces)
    if common == len(pieces):
        return tuple(pieces)
    waiting = log.with_name(f"{log.name}.part")
    taken = list(pieces[:common])
    with waiting.open("wb") as new:
        with log.open("rb") if log.exists() else open(os.devnull, "rb") as old:
            _copy(old, new, sum(piece.bytes for piece in taken))
            for piece in pieces[common:]:
                data = store.read(piece.path)
                if data is None or blake3(data).hexdigest() != piece.blake3:
                    break
                new.write(data)
                taken.append(piece)
            shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())
    waiting.replace(log)
    return tuple(taken)


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Pieces of the rest of a file that end with a line; a last line without its end is left."""
    rest = b""
    while block := file.read(PIECE_BYTES):
        rest += block
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]


def _begins_with(log: Path, pieces: Sequence[PlainFile]) -> int:
    """How many of the pieces the log begins with."""
    if not log.exists():
        return 0
    with log.open("rb") as file:
        for count, piece in enumerate(pieces):
            if blake3(file.read(piece.bytes)).hexdigest() != piece.blake3:
                return count
    return len(pieces)


def _copy(old: BinaryIO, new: BinaryIO, size: int) -> None:
    while size and (block := old.read(min(size, PIECE_BYTES))):
        new.write(block)
        size -= len(block)
