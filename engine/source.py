"""Which files an input names, and what each of them is: kind, compression, size and the hash of its bytes."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import blake3
import fsspec
import zstandard

from phrasemill.engine.ingest_refuse import refuse
from phrasemill.schemas.errors import InputError

Kind = Literal["parquet", "jsonl", "json"]
Compression = Literal["none", "gz", "zst"]

KINDS: Final[dict[str, Kind]] = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}
COMPRESSIONS: Final[dict[str, Compression]] = {".gz": "gz", ".zst": "zst"}
LOOKED_FOR: Final = "*.parquet, *.jsonl, *.ndjson, *.json, the last three also with .gz or .zst"
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""Read at a time where a file is streamed."""

ZSTD_STEP_BYTES: Final = 1024
"""Compressed bytes taken at a time: one step of a hostile stream then grows to 32 MiB at most."""

STREAM_ERRORS: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What a damaged file or compressed stream raises while it is read."""

_GLOB: Final = frozenset("*?[")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file. ``content_hash`` is the blake3 of its bytes in hex; ``stamp`` changes when the file may have."""

    path: str
    kind: Kind
    compression: Compression
    size: int
    content_hash: str
    stamp: str


def resolve(paths: Sequence[str]) -> list[str]:
    """Every file behind these files, folders (searched to the bottom), globs and fsspec URLs, sorted, each once.

    A link to a file counts as the file. A link to a folder is not followed: what it leads to is read already where it
    lies inside the folder that is searched, and refused where it does not.

    Raises:
        InputError: a path stands for no file of a known kind, or for one that cannot be read.

    """
    found: set[str] = set()
    problems: list[str] = []
    for path in paths:
        try:
            files = _files_behind(path, problems)
        except InputError as error:
            problems.append(error.message)
            continue
        if not files and not problems:
            problems.append(f"input.path {path!r} matches no file; looked for {LOOKED_FOR}")
        found.update(files)
    problems += [problem for path in sorted(found) if (problem := _problem(path))]
    refuse(problems)
    return sorted(found)


def identify(path: str) -> SourceFile:
    """Return what the file is, with the hash of its whole content.

    A ``.json`` file whose first character is not ``[`` holds JSON lines.

    Raises:
        InputError: the kind is not known, or the file cannot be read.

    """
    kind, compression = kind_of(path)
    try:
        if kind == "json" and _first_character(path, compression) != b"[":
            kind = "jsonl"
        before = stamp(path)
        size, content_hash = hashed(path)
        after = stamp(path)
    except STREAM_ERRORS as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if before != after:
        raise InputError(f"{path}: changed while it was read; run again once nothing writes to it")
    return SourceFile(path, kind, compression, size, content_hash, after)


def hashed(path: str) -> tuple[int, str]:
    """Return the file's size in bytes and the blake3 of its content in hex.

    It is read and never mapped: a mapped file that somebody cuts short ends the process.
    """
    hasher = blake3.blake3(max_threads=blake3.blake3.AUTO)
    size = 0
    with open_raw(path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            hasher.update(chunk)
            size += len(chunk)
    return size, hasher.hexdigest()


def stamp(path: str) -> str:
    """Return a text that differs when the file may have changed.

    That is the size, the time of the last write and the time of the last change of any kind, which nobody can set
    back; of a remote file the size and the store's etag.
    """
    if not is_remote(path):
        stat = os.stat(path)
        return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}"
    system, inner = fsspec.core.url_to_fs(path)
    info = system.info(inner)
    mark = next((info[key] for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified") if key in info), "")
    return f"{info.get('size')}-{mark}"


def kind_of(path: str) -> tuple[Kind, Compression]:
    """Kind and compression from the name alone.

    Raises:
        InputError: the name does not end in a known extension.

    """
    stem, last = os.path.splitext(path.lower())
    compression = COMPRESSIONS.get(last, "none")
    extension = last if compression == "none" else os.path.splitext(stem)[1]
    kind = KINDS.get(extension)
    if kind is None or (kind == "parquet" and compression != "none"):
        raise InputError(f"{path}: not a file that can be read; expected one of {LOOKED_FOR}")
    return kind, compression


def is_remote(path: str) -> bool:
    """Whether the path is an fsspec URL."""
    return "://" in path


def open_raw(path: str) -> io.BufferedIOBase:
    """Return the file's bytes as they are stored, seekable."""
    if not is_remote(path):
        return open(path, "rb")
    system, inner = fsspec.core.url_to_fs(path)
    stream = system.open(inner, "rb")
    return cast("io.BufferedIOBase", stream if hasattr(stream, "read1") else io.BufferedReader(stream, CHUNK_BYTES))


def open_plain(path: str, compression: Compression) -> io.BufferedIOBase:
    """Return the file's bytes after decompression, as a forward-only stream, a byte order mark included."""
    raw = open_raw(path)
    if compression == "gz":
        return _OwningGzip(raw)
    if compression == "zst":
        return io.BufferedReader(_Zstd(raw), CHUNK_BYTES)
    return raw


class _OwningGzip(gzip.GzipFile):
    """A gzip stream that closes the file below it."""

    def __init__(self, below: io.BufferedIOBase) -> None:
        super().__init__(fileobj=below, mode="rb")
        self._below = below

    def close(self) -> None:
        super().close()
        self._below.close()


class _Zstd(io.RawIOBase):
    """A zstd stream of one or more frames that raises EOFError when it ends inside one."""

    def __init__(self, below: io.BufferedIOBase) -> None:
        self._below = below
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            chunk = self._below.read(ZSTD_STEP_BYTES)
            if not chunk:
                if self._frame is not None:
                    raise EOFError("the file ends inside a zstd frame")
                return 0
            self._ready = memoryview(self._decompress(chunk))
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _decompress(self, chunk: bytes) -> bytes:
        parts = []
        while chunk:
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(self._frame.decompress(chunk))
            chunk = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        return b"".join(parts)

    def close(self) -> None:
        if not self.closed:
            self._below.close()
        super().close()


def _files_behind(path: str, problems: list[str]) -> list[str]:
    if is_remote(path):
        return _remote_files(path)
    if os.path.isdir(path):
        return list(_folder_files(path, problems))
    if os.path.lexists(path):
        kind_of(path)
        return [path]
    if _GLOB.isdisjoint(path):
        raise InputError(f"input.path {path!r} does not exist; a file, folder, glob or fsspec URL was expected")
    matches = [str(match) for match in fsspec.filesystem("file").glob(os.path.abspath(path))]
    if not os.path.isabs(path):
        matches = [os.path.relpath(match) for match in matches]
    folders = [file for match in matches if os.path.isdir(match) for file in _folder_files(match, problems)]
    return folders + [match for match in matches if not os.path.isdir(match) and _known(match)]


def _folder_files(path: str, problems: list[str]) -> Iterator[str]:
    root = os.path.join(os.path.realpath(path), "")

    def unlisted(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be listed: {error.strerror}; make it readable or take it out")

    for folder, below, names in os.walk(path, onerror=unlisted):
        for name in below:
            target = os.path.join(os.path.realpath(os.path.join(folder, name)), "")
            if os.path.islink(os.path.join(folder, name)) and not target.startswith(root):
                problems.append(
                    f"{os.path.join(folder, name)}: is a link to a folder outside of {path}, which is not followed; "
                    f"name {target} in the input, or take the link out"
                )
        yield from (os.path.join(folder, name) for name in names if _known(name))


def _problem(path: str) -> str | None:
    """Why a path that was found is no file that can be opened; None where it is one."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"{path!a}: its name is not UTF-8; rename it"
    if is_remote(path) or os.path.isfile(path):
        return None
    if os.path.islink(path) and not os.path.exists(path):
        return f"{path}: is a link that leads nowhere; mend it or take it out of the input"
    return f"{path}: is no regular file; take it out of the input"


def _remote_files(path: str) -> list[str]:
    try:
        system, inner = fsspec.core.url_to_fs(path)
        if not _GLOB.isdisjoint(inner):
            matches = system.glob(inner)
        elif system.isdir(inner):
            matches = system.find(inner)
        else:
            matches = [inner] if system.exists(inner) else []
    except (OSError, ImportError, ValueError) as error:
        raise InputError(f"input.path {path!r} cannot be listed: {error}") from error
    return [str(system.unstrip_protocol(match)) for match in matches if _known(str(match))]


def _known(name: str) -> bool:
    base = os.path.basename(name)
    if base.startswith((".", "_")):
        return False
    try:
        kind_of(base)
    except InputError:
        return False
    return True


def _first_character(path: str, compression: Compression) -> bytes:
    with open_plain(path, compression) as stream:
        head = stream.read(64).removeprefix(_BOM)
        while head and not head.strip():
            head = stream.read(CHUNK_BYTES)
    return head.strip()[:1]
