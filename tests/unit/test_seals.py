"""Sealed records: read back as they were, and not one bit of them can change unnoticed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from phrasemill.schemas.seals import BrokenSeal, seal, seal_line, unseal, unseal_line

RECORD: dict[str, Any] = {
    "key": 'says "checksum": "' + "0" * 64 + '"\n  "checksum": "' + "1" * 64 + '"',
    "deep": {"checksum": "2" * 64, "count": 0, "share": 0.25},
    "zebra": [True, None, "\u00e9\u2028"],
}
NAMES = frozenset(RECORD)


def flips(data: bytes) -> list[bytes]:
    return [data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]


def test_a_record_comes_back_without_its_checksum() -> None:
    assert unseal(seal(RECORD)) == (RECORD, True)
    assert unseal_line(seal_line(RECORD), NAMES) == (RECORD, True)
    assert seal(dict(reversed(RECORD.items()))) == seal(RECORD)
    assert orjson.loads(seal_line(RECORD)).keys() - NAMES == {"checksum"}


def test_records_of_earlier_versions_have_none() -> None:
    assert unseal(orjson.dumps(RECORD)) == (RECORD, False)
    assert unseal_line(orjson.dumps(RECORD) + b"\n", NAMES) == (RECORD, False)


def test_no_bit_of_a_record_changes_unnoticed() -> None:
    for changed in flips(seal(RECORD)):
        try:
            record, sealed = unseal(changed)
        except BrokenSeal:
            continue
        # What is left is a record with a key that none has, which its reader refuses.
        assert not sealed
        assert len(record.keys() - NAMES) == 1


def test_no_bit_of_a_line_changes_unnoticed() -> None:
    for changed in flips(seal_line(RECORD)):
        with pytest.raises(BrokenSeal):
            unseal_line(changed, NAMES)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b'{"checksum": 1}', b"\xff", b'{"checksum": ""}'])
def test_what_is_no_record_is_refused(content: bytes) -> None:
    with pytest.raises(BrokenSeal):
        unseal(content)
    with pytest.raises(BrokenSeal):
        unseal_line(content + b"\n", NAMES)
