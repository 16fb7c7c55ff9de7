"""JSON files that are cut, broken, deep or oddly encoded."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import zstandard

from tests.hostile.case import (
    Case,
    broken,
    cleaned,
    file,
    line,
    lines,
    parquet,
    refused,
    row,
    rows,
    talk,
)

NO_ROW: Final = "got no row of JSON at its beginning"
TEN: Final = rows(10)
TEXT: Final = lines(TEN)


def around(*odd: bytes) -> bytes:
    """Return lines of JSON with odd lines between two rows."""
    return line(row("first")) + b"".join(each + b"\n" for each in odd) + line(row("last"))


def nested(depth: int) -> bytes:
    return (
        b'{"id": "deep", "messages": ' + json.dumps(talk()).encode() + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
    )


def deep_messages(depth: int) -> bytes:
    return b'{"id": "deep", "messages": ' + b'[{"content":' * depth + b"1" + b"}]" * depth + b"}"


def with_field(text: str, name: str = "x") -> bytes:
    return b'{"id": "odd", "messages": ' + json.dumps(talk()).encode() + f', "{name}": {text}}}'.encode()


def tar_of(data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("../../a.jsonl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def zip_of(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.jsonl", data)
    return packed.getvalue()


def many_turns(folder: Path) -> None:
    turns = [turn for at in range(5_000) for turn in talk(f"Answer {at}.", f"Question {at}?")]
    (folder / "a.jsonl").write_bytes(line({"id": "long", "messages": turns}))


def parquet_as_lines(folder: Path) -> None:
    data = parquet(folder / "x", TEN)
    (folder / "x").unlink()
    (folder / "a.jsonl").write_bytes(data)


LONG_GZ: Final = gzip.compress(b"".join(line(row(f"r{at}", f"{at * 7919 % 10007} " * 9)) for at in range(3_000)))
LONG_ZST: Final = zstandard.ZstdCompressor(level=1).compress(gzip.decompress(LONG_GZ))


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


FILES: Final = {
    "empty": Case(file("a.jsonl", b""), refused("no rows"), beside=cleaned(0)),
    "white space": Case(file("a.jsonl", b" \r\n\t\n \n"), refused("no rows"), beside=cleaned(0)),
    "byte order mark alone": Case(file("a.jsonl", b"\xef\xbb\xbf"), refused("no rows"), beside=cleaned(0)),
    "byte order mark": Case(file("a.jsonl", b"\xef\xbb\xbf" + TEXT), cleaned(10)),
    "two byte order marks": Case(file("a.jsonl", b"\xef\xbb\xbf" * 2 + TEXT), cleaned(10)),
    "empty array": Case(file("a.json", b" [ ] "), refused("no rows"), beside=cleaned(0)),
    "UTF-16": Case(file("a.jsonl", TEXT.decode().encode("utf-16")), refused("a.jsonl", NO_ROW)),
    "UTF-32 array": Case(file("a.json", json.dumps(TEN).encode("utf-32")), refused("a.json", NO_ROW)),
    "CRLF": Case(file("a.jsonl", TEXT.replace(b"\n", b"\r\n")), cleaned(10)),
    "CR": Case(file("a.jsonl", TEXT.replace(b"\n", b"\r")), refused("a.jsonl", NO_ROW)),
    "U+2028 between rows": Case(file("a.jsonl", TEXT.replace(b"\n", b"\xe2\x80\xa8")), refused("a.jsonl", NO_ROW)),
    "no line ends": Case(file("a.jsonl", TEXT.replace(b"\n", b"")), refused("a.jsonl", NO_ROW)),
    "two rows on a line": Case(
        file("a.jsonl", around(line(row("a")).strip() + line(row("b")).strip())), cleaned(2, bad_json=1)
    ),
    "a row over two lines": Case(
        file("a.jsonl", around(line(row("a")).replace(b", ", b",\n", 1).strip())), cleaned(2, bad_json=2)
    ),
    "last row cut": Case(file("a.jsonl", TEXT[:-30]), cleaned(9, bad_json=1)),
    "first row cut": Case(file("a.jsonl", TEXT[30:]), cleaned(9, bad_json=1)),
    "trailing comma": Case(file("a.jsonl", around(line(row("a")).strip() + b",")), cleaned(2, bad_json=1)),
    "rows of an array, unbracketed": Case(file("a.jsonl", TEXT.replace(b"\n", b",\n")), refused("a.jsonl", NO_ROW)),
    "array in a lines file": Case(file("a.jsonl", json.dumps(TEN).encode()), refused("a.jsonl", NO_ROW)),
    "trailing comma in an array": Case(file("a.json", b"[" + line(row("a")) + b",]"), broken("a.json")),
    "array cut": Case(file("a.json", json.dumps(TEN).encode()[:-60]), broken("a.json")),
    "array with NaN in it": Case(
        file("a.json", b"[" + line(row("a")) + b"," + with_field("NaN") + b"," + line(row("c")) + b"]"),
        broken("a.json"),
    ),
    "text after an array": Case(file("a.json", b"[" + line(row("a")) + b"] {}"), broken("a.json")),
    "array in an object": Case(file("a.json", b'{"data": ' + json.dumps(TEN).encode() + b"}"), refused("data")),
    "elements that are no objects": Case(
        file("a.json", json.dumps([row("a"), 5, None, "x", [1], row("b")]).encode()), cleaned(2, bad_json=4)
    ),
    "lines that are no objects": Case(
        file("a.jsonl", around(b"5", b"null", b'"x"', b"[1]", b"true")), cleaned(2, bad_json=5)
    ),
    "NaN": Case(file("a.jsonl", around(with_field("NaN"))), cleaned(2, bad_json=1)),
    "Infinity": Case(file("a.jsonl", around(with_field("-Infinity"))), cleaned(2, bad_json=1)),
    "1e400": Case(file("a.jsonl", around(with_field("1e400"))), cleaned(2, bad_json=1)),
    "2**70": Case(file("a.jsonl", around(with_field(str(2**70)))), cleaned(3)),
    "ids of 2**70": Case(file("a.jsonl", lines([{**row(), "id": 2**70 + at} for at in range(3)])), cleaned(3)),
    "a number of 5,000 digits": Case(file("a.jsonl", around(with_field("7" * 5_000))), cleaned(2, bad_json=1)),
    "a key twice": Case(file("a.jsonl", around(with_field('"other"', "id"))), cleaned(3)),
    "messages twice": Case(file("a.jsonl", around(with_field(json.dumps(talk("Second.")), "messages"))), cleaned(3)),
    "100,000 deep": Case(file("a.jsonl", around(nested(100_000))), cleaned(2, bad_json=1)),
    "1,000 deep": Case(file("a.jsonl", around(nested(1_000))), cleaned(2, bad_json=1)),
    "300 deep": Case(file("a.jsonl", around(nested(300))), cleaned(2, bad_json=1)),
    "50 deep": Case(file("a.jsonl", around(nested(50))), cleaned(3)),
    "messages 240 deep": Case(file("a.jsonl", around(deep_messages(120))), cleaned(2, bad_json=1)),
    "100,000 deep in an array": Case(
        file("a.json", b"[" + around(b"," + nested(100_000) + b",") + b"]"), refused("a.json", NO_ROW)
    ),
    "300 deep in an array": Case(
        file("a.json", b"[" + around(b"," + nested(300) + b",") + b"]"), cleaned(2, bad_json=1)
    ),
    "brackets without end": Case(file("a.json", b"[" * 100_000), refused("a.json", NO_ROW)),
    "invalid UTF-8": Case(
        file(
            "a.jsonl",
            around(b'{"id": "\xff\xfe", "messages": []}'),
        ),
        cleaned(2, invalid_utf8=1),
    ),
    "invalid UTF-8 in an array": Case(file("a.json", b"[" + around(b',{"id": "\xff\xfe"},') + b"]"), broken("a.json")),
    "half a pair, high": Case(file("a.jsonl", around(with_field('"\\ud800"'))), cleaned(2, bad_json=1)),
    "half a pair, low": Case(file("a.jsonl", around(with_field('"\\udc00 x"'))), cleaned(2, bad_json=1)),
    "half pairs in every row": Case(
        file("a.jsonl", lines(TEN).replace(b"Loaf", b"\\udc00")), refused("a.jsonl", NO_ROW)
    ),
    "half a pair in an array": Case(
        file("a.json", b"[" + around(b"," + with_field('"\\udc00"') + b",") + b"]"), broken("a.json")
    ),
    "bytes of a half pair": Case(file("a.jsonl", around(line(row("x", "\ud800")).strip())), cleaned(2, invalid_utf8=1)),
    "raw NUL bytes": Case(
        file("a.jsonl", around(b"\0\0\0", line(row("x", "a\0b")).strip().replace(b"\\u0000", b"\0"))),
        cleaned(2, bad_json=2),
    ),
    "a hole of zeroes": Case(file("a.jsonl", TEXT + bytes(100_000)), cleaned(10, bad_json=1)),
    "10,000 turns": Case(many_turns, cleaned(1), said={"long": "Answer 4999."}),
    "CSV": Case(file("a.jsonl", b"id,prompt,completion\n1,q,a\n"), refused("a.jsonl", NO_ROW)),
    "CSV as Parquet": Case(file("a.parquet", b"id,prompt,completion\n1,q,a\n"), refused("a.parquet")),
    "Parquet as lines": Case(parquet_as_lines, refused("a.jsonl", NO_ROW)),
    "tar as lines": Case(file("a.jsonl", tar_of(TEXT)), cleaned(9, bad_json=2)),
    "zip as lines": Case(file("a.jsonl", zip_of(TEXT)), cleaned(9, invalid_utf8=2)),
    "gzip as lines": Case(file("a.jsonl", LONG_GZ), refused("a.jsonl", NO_ROW)),
    "bzip2 as gzip": Case(file("a.jsonl.gz", bz2.compress(TEXT)), refused("a.jsonl.gz")),
    "lines as gzip": Case(file("a.jsonl.gz", TEXT), refused("a.jsonl.gz")),
    "lines as zstd": Case(file("a.jsonl.zst", TEXT), refused("a.jsonl.zst")),
    "tar in gzip": Case(file("a.jsonl.gz", gzip.compress(tar_of(TEXT))), cleaned(9, bad_json=2)),
    "no bytes as gzip": Case(file("a.jsonl.gz", b""), refused("no rows"), beside=cleaned(0)),
    "gzip head cut": Case(file("a.jsonl.gz", LONG_GZ[5:]), refused("a.jsonl.gz")),
    "gzip cut early": Case(file("a.jsonl.gz", LONG_GZ[:12]), refused("a.jsonl.gz")),
    "gzip cut": Case(file("a.jsonl.gz", LONG_GZ[: len(LONG_GZ) // 2]), broken("a.jsonl.gz")),
    "gzip without its checksum": Case(file("a.jsonl.gz", LONG_GZ[:-8]), broken("a.jsonl.gz")),
    "gzip with a flip": Case(file("a.jsonl.gz", flipped(LONG_GZ, len(LONG_GZ) // 2)), broken("a.jsonl.gz")),
    "gzip with junk behind": Case(file("a.jsonl.gz", LONG_GZ + b"junk"), broken("a.jsonl.gz")),
    "zstd cut early": Case(file("a.jsonl.zst", LONG_ZST[:6]), refused("a.jsonl.zst")),
    "zstd cut": Case(file("a.jsonl.zst", LONG_ZST[: len(LONG_ZST) // 2]), broken("a.jsonl.zst")),
    "zstd with a flip": Case(file("a.jsonl.zst", flipped(LONG_ZST, len(LONG_ZST) // 2)), broken("a.jsonl.zst")),
    "gzip array cut": Case(
        file("a.json.gz", gzip.compress(json.dumps(rows(3_000)).encode())[:-300]), broken("a.json.gz")
    ),
    "nulls everywhere": Case(
        file(
            "a.jsonl",
            lines(
                [
                    row("first"),
                    None,
                    {},
                    {"id": None, "messages": None},
                    {"messages": [None]},
                    {"messages": [{}]},
                    {"messages": talk(None)},
                    {"messages": [{"role": None, "content": "x"}]},
                ]
            ),
        ),
        cleaned(1, no_messages=3, null_content=3, bad_role=1),
    ),
    "content of every kind": Case(
        file("a.jsonl", lines([*TEN, *(row("x", odd) for odd in (5, True, {"a": 1}, [1], [{"type": "image"}]))])),
        cleaned(10, not_text=5),
    ),
    "messages of every kind": Case(
        file(
            "a.jsonl",
            lines([row("first"), *({"id": "x", "messages": odd} for odd in (5, "text", {"a": 1}, [[1]], [5]))]),
        ),
        cleaned(1, not_text=3, no_assistant_turn=1, null_content=1),
    ),
    "bad roles": Case(
        file(
            "a.jsonl",
            lines(
                [
                    row("first"),
                    *(
                        {"id": "x", "messages": [*talk(), {"role": odd, "content": "x"}]}
                        for odd in ("narrator", "", 5, [], {"a": 1}, "\0")
                    ),
                ]
            ),
        ),
        cleaned(1, bad_role=6),
    ),
}
"""Whole files, by what is odd about them."""
