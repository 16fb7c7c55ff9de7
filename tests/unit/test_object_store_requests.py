"""The log of requests in pieces: whatever two machines had, no line that was in a whole piece or here is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("obstore")

from phrasemill.engine import object_store_requests
from phrasemill.engine.object_store import ObjectStore
from phrasemill.engine.object_store_requests import bring_log, held, send_new_lines


@pytest.fixture
def store() -> ObjectStore:
    return ObjectStore("memory:///")


def lines(*numbers: int) -> bytes:
    return b"".join(b'{"request": %d}\n' % number for number in numbers)


def test_whole_lines_are_sent_once(store: ObjectStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(lines(1, 2) + b'{"half')
    pieces = send_new_lines(store, log, ())
    assert [store.read(piece.path) for piece in pieces] == [lines(1, 2)]
    assert send_new_lines(store, log, pieces) == pieces
    log.write_bytes(lines(1, 2, 3))
    more = send_new_lines(store, log, pieces)
    assert more[0] == pieces[0]
    assert [store.read(piece.path) for piece in more] == [lines(1, 2), lines(3)]


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_a_long_log_goes_in_several_pieces(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(object_store_requests, "PIECE_BYTES", size)
    log = tmp_path / "log"
    log.write_bytes(lines(*range(30)))
    pieces = send_new_lines(store, log, ())
    assert b"".join(store.read(piece.path) or b"" for piece in pieces) == lines(*range(30))
    assert len(pieces) == 1 or size < 1000
    assert bring_log(store, pieces, tmp_path / "new") == pieces
    assert (tmp_path / "new").read_bytes() == lines(*range(30))


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (None, lines(1, 2, 3)),
        (b"", lines(1, 2, 3)),
        (lines(1), lines(1, 2, 3)),
        (lines(1, 2, 3), lines(1, 2, 3)),
        (lines(1, 2, 3, 4) + b'{"half', lines(1, 2, 3, 4) + b'{"half'),
        (lines(1, 8, 9), lines(1, 2, 3, 8, 9)),
        (lines(7), lines(1, 2, 3, 7)),
    ],
)
def test_both_logs_are_kept(store: ObjectStore, tmp_path: Path, here: bytes | None, expected: bytes) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    pieces = ()
    for count in (1, 2, 3):
        other.write_bytes(lines(*range(1, count + 1)))
        pieces = send_new_lines(store, other, pieces)
    if here is not None:
        log.write_bytes(here)
    assert bring_log(store, pieces, log) == pieces == held(log, pieces)
    assert log.read_bytes() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "other"]


@pytest.mark.parametrize("harm", ["remove", "flip"])
def test_a_damaged_piece_ends_what_is_taken(store: ObjectStore, tmp_path: Path, harm: str) -> None:
    log, other = tmp_path / "log", tmp_path / "other"
    pieces = ()
    for count in (1, 2, 3):
        other.write_bytes(lines(*range(1, count + 1)))
        pieces = send_new_lines(store, other, pieces)
    if harm == "remove":
        store.delete([pieces[1].path])
    else:
        store.put(pieces[1].path, lines(9))
    log.write_bytes(lines(4))
    assert bring_log(store, pieces, log) == pieces[:1]
    assert log.read_bytes() == lines(1, 4)
