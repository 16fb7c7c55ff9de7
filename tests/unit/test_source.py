"""Which files a path stands for, and what each of them is."""

from __future__ import annotations

import gzip
from pathlib import Path

import blake3
import fsspec
import pytest
import zstandard

from phrasemill.engine.source import identify, kind_of, open_plain, resolve
from phrasemill.schemas.errors import InputError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.jsonl",
        "a.parquet",
        "deep/er/c.json.gz",
        "deep/d.ndjson.zst",
        "notes.txt",
        "_tmp.jsonl",
        ".e.jsonl",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}\n")
    return tmp_path


def names(found: list[str], root: Path) -> list[str]:
    return [str(Path(path).relative_to(root)) for path in found]


def test_folder_is_searched_to_the_bottom_and_sorted(tree: Path) -> None:
    assert names(resolve([str(tree)]), tree) == ["a.parquet", "b.jsonl", "deep/d.ndjson.zst", "deep/er/c.json.gz"]


def test_file_glob_and_overlap_give_each_file_once(tree: Path) -> None:
    found = resolve([str(tree / "b.jsonl"), str(tree / "*.jsonl"), str(tree / "**" / "*.gz")])
    assert names(found, tree) == ["b.jsonl", "deep/er/c.json.gz"]


def test_a_folder_behind_a_glob_is_searched_too(tree: Path) -> None:
    assert names(resolve([str(tree / "d*")]), tree) == ["deep/d.ndjson.zst", "deep/er/c.json.gz"]


def test_relative_glob_stays_relative(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert resolve(["*.parquet"]) == ["a.parquet"]


def test_fsspec_urls_of_files_folders_and_globs() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/source/a.jsonl", b'{"a": 1}\n')
    store.pipe("/source/deep/b.jsonl", b'{"a": 2}\n')
    both = ["memory:///source/a.jsonl", "memory:///source/deep/b.jsonl"]
    assert resolve(["memory://source"]) == both
    assert resolve(["memory://source/*.jsonl", "memory://source/a.jsonl"]) == both[:1]
    found = identify(both[0])
    assert (found.kind, found.size) == ("jsonl", 9)
    assert found.content_hash == blake3.blake3(b'{"a": 1}\n').hexdigest()
    with pytest.raises(InputError, match="matches no file"):
        resolve(["memory://source/none.jsonl"])


def test_nothing_found_names_the_path_and_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such.*does not exist"):
        resolve([str(tmp_path / "no-such")])
    with pytest.raises(InputError, match=r"matches no file; looked for \*\.parquet, \*\.jsonl"):
        resolve([str(tmp_path)])
    with pytest.raises(InputError, match=r"\*\.csv.*matches no file"):
        resolve([str(tmp_path / "*.csv")])


def test_a_named_file_of_another_kind_is_refused(tree: Path) -> None:
    with pytest.raises(InputError, match=r"notes\.txt: not a file that can be read"):
        resolve([str(tree / "notes.txt")])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.PARQUET", ("parquet", "none")),
        ("x.jsonl", ("jsonl", "none")),
        ("x.ndjson.gz", ("jsonl", "gz")),
        ("x.v2.json.zst", ("json", "zst")),
    ],
)
def test_kind_from_the_name(name: str, expected: tuple[str, str]) -> None:
    assert kind_of(name) == expected


def test_compressed_parquet_is_refused() -> None:
    with pytest.raises(InputError):
        kind_of("x.parquet.gz")


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b' \n[{"a": 1}]', "json"), (b'{"a": 1}\n{"a": 2}\n', "jsonl"), (b"\xef\xbb\xbf[]", "json"), (b"", "jsonl")],
)
def test_json_extension_is_told_by_its_first_character(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    assert identify(str(path)).kind == kind


def test_hash_is_of_the_bytes_and_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n')
    first = identify(str(path))
    assert first.content_hash == blake3.blake3(b'{"a": 1}\n').hexdigest()
    path.write_bytes(b'{"a": 10}\n')
    assert identify(str(path)).stamp != first.stamp


def test_streams_of_several_frames_are_read_through(tmp_path: Path) -> None:
    parts = [b"one\n" * 1000, b"two\n" * 100_000]
    zst, gz = tmp_path / "x.jsonl.zst", tmp_path / "x.jsonl.gz"
    zst.write_bytes(b"".join(zstandard.compress(part) for part in parts))
    gz.write_bytes(b"".join(gzip.compress(part) for part in parts))
    for path, compression in ((zst, "zst"), (gz, "gz")):
        with open_plain(str(path), compression) as stream:  # type: ignore[arg-type]
            assert stream.read() == b"".join(parts)


def test_cut_off_streams_raise(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    for name, compression, whole in (("x.zst", "zst", zstandard.compress(data)), ("x.gz", "gz", gzip.compress(data))):
        path = tmp_path / name
        path.write_bytes(whole[:-20])
        with open_plain(str(path), compression) as stream, pytest.raises(EOFError):  # type: ignore[arg-type]
            stream.read()
