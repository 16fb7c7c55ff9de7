"""Sentences by offsets: where they end, where they do not, and that columns agree with single texts."""

from __future__ import annotations

import numpy as np
import pytest

from phrasemill.filters.sentences import split, split_batch


def _pieces(text: str) -> list[str]:
    return [text[start:stop] for start, stop in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said \u201cgo.\u201d She left.", ["He said \u201cgo.\u201d", "She left."]),
        ("**Bold end.** Then (so.) Last", ["**Bold end.**", "Then (so.)", "Last"]),
        ("A line\nand another\r\n\r\nlast", ["A line", "and another", "last"]),
        ("Dr. Weiss met Mrs. Lund, e.g. at noon. Rain fell.", ["Dr. Weiss met Mrs. Lund, e.g. at noon.", "Rain fell."]),
        ("J. R. Moss wrote it. So did I. He knew.", ["J. R. Moss wrote it.", "So did I.", "He knew."]),
        ("1. Chop it. Stir it.\n2. Eat.", ["1. Chop it.", "Stir it.", "2. Eat."]),
        ("It was 1999. We left at 3.5 km.", ["It was 1999.", "We left at 3.5 km."]),
        ("Well… Maybe… or not.", ["Well…", "Maybe…", "or not."]),
        ("今日は雨。明日は晴れ。", ["今日は雨。", "明日は晴れ。"]),
        ("", []),
        (" \n\t ", []),
        (".", ["."]),
    ],
)
def test_split(text: str, expected: list[str]) -> None:
    assert _pieces(text) == expected


def test_batch_keeps_owners_and_borders() -> None:
    texts = ["Ends in a word", "", "I start. Then on", "ü. Ö!", "x"]
    raws = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(raws), dtype=np.uint8)
    stops = np.cumsum([len(raw) for raw in raws])
    starts = stops - np.array([len(raw) for raw in raws])
    found = split_batch(data, starts, stops)
    got = [
        (owner, bytes(data[a:b]).decode())
        for owner, a, b in zip(found.owner.tolist(), found.start.tolist(), found.stop.tolist(), strict=True)
    ]
    assert got == [(0, "Ends in a word"), (2, "I start."), (2, "Then on"), (3, "ü."), (3, "Ö!"), (4, "x")]


def test_batch_skips_gaps_between_texts() -> None:
    data = np.frombuffer(b"One. XXXX. Two. YY", dtype=np.uint8)
    found = split_batch(data, np.array([0, 11]), np.array([4, 15]))
    assert found.owner.tolist() == [0, 1]
    assert list(zip(found.start.tolist(), found.stop.tolist(), strict=True)) == [(0, 4), (11, 15)]


def test_no_texts() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert len(split_batch(np.zeros(0, dtype=np.uint8), empty, empty).owner) == 0
