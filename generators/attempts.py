"""Every request to a model: its record, and the log from which a finished one is answered instead of sent again."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import orjson
import pyarrow.parquet as pq
from blake3 import blake3

from phrasemill.generators.client import Completion
from phrasemill.schemas.errors import IntegrityError, OutputError
from phrasemill.schemas.seals import BrokenSeal, seal_line, unseal_line
from phrasemill.schemas.tables import GENERATIONS

AttemptOutcome = Literal["accepted", "rejected", "failed", "cancelled", "answered"]
"""``answered`` stands in logs only: an answer that came, whose fate a later step decides."""

_ANSWERED: Final = frozenset({"accepted", "rejected", "answered"})
_SYNC_SECONDS: Final = 1.0
_STORED: Final = ("text", "finish_reason", "prompt_tokens", "completion_tokens", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request: the columns of ``GENERATIONS`` in its order, and whether the answer came out of a log.

    ``text`` is the raw answer; it and the counts are None where there was none. ``hits_left`` are rule ids.
    """

    shard: str
    row: int
    row_id: str
    field: str
    turn: int
    attempt: int
    recipe: str
    trait_id: str
    trait_hash: str
    backend: str
    model: str
    seed: int
    params: str
    request_hash: str
    text: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    hits_left: tuple[str, ...] = ()
    judge_score: float | None = None
    outcome: AttemptOutcome
    reason: str | None = None
    seconds: float | None = None
    replayed: bool = False

    def as_row(self) -> dict[str, Any]:
        """The record as a row of ``GENERATIONS``: its names, in its order, without ``replayed``."""
        return {name: getattr(self, name) for name in GENERATIONS.names}


ATTEMPT_NAMES: Final = frozenset(each.name for each in fields(Attempt))
"""The keys of a line of a log, beside its checksum."""


def request_hash(
    model: str,
    params: Mapping[str, object],
    messages: Sequence[Mapping[str, str]],
    seed: int,
    template_version: int | str,
) -> str:
    """The blake3 of everything that decides an answer, as 64 hex digits: the same request, the same hash."""
    whole = [model, dict(params), [dict(message) for message in messages], seed, str(template_version)]
    return blake3(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()


class AttemptLog:
    """An append-only JSONL file of attempts, with further logs and evidence files to look answers up in.

    Holds an index of about 200 bytes a request, never the answers. One writer at a time: the caller sees to that.
    ``sources`` are other logs (``.jsonl``) or tables of ``GENERATIONS`` (``.parquet``), read only; the first that knows
    a request answers it.
    """

    def __init__(self, path: Path, sources: Sequence[Path] = ()) -> None:
        """Open or create the log. A last line that a crash cut short is taken off.

        Raises:
            IntegrityError: a line before the last one is not JSON, or a source is no log or table of attempts.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            # Unbuffered: what a full disk refused must not come out again, in the middle of a later line.
            self._file = opened.enter_context(path.open("a+b", buffering=0))
            _sync_folder(path.parent)
            self._own = _JsonLines(path, opened)
            if self._own.length < os.fstat(self._file.fileno()).st_size:
                self._file.truncate(self._own.length)
            self._end = self._own.length
            self._sources: list[_Source] = [
                _JsonLines(source, opened) if source.suffix == ".jsonl" else _Evidence(source, opened)
                for source in sources
            ]
            self._opened = opened.pop_all()
        self._synced = time.monotonic()

    def __enter__(self) -> AttemptLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, request_hash: str) -> Completion | None:
        """The stored answer to a request, or None where it has none yet; failed and cancelled attempts have none."""
        for source in (self._own, *self._sources):
            completion = source.get(request_hash)
            if completion is not None:
                return completion
        return None

    def record(self, attempt: Attempt) -> None:
        """Append an attempt: written at once, on disk within a second of the next one, and when closed.

        A replayed answer of this very log is not written twice; one of a source is, so that the log stands alone.

        Raises:
            OutputError: the file system refused the line; the log ends with the line before.
        """
        if attempt.replayed and attempt.request_hash in self._own.offsets:
            return
        line = seal_line(asdict(attempt))
        self._append(line)
        if attempt.outcome in _ANSWERED:
            self._own.offsets.setdefault(attempt.request_hash, self._end)
        self._end += len(line)
        if time.monotonic() - self._synced >= _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def close(self) -> None:
        """Bring everything to disk and close. Closing twice is allowed."""
        if self._file.closed:
            return
        with self._opened:
            os.fsync(self._file.fileno())

    def _append(self, line: bytes) -> None:
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with suppress(OSError):  # a half line is taken off when the log is next opened
                self._file.truncate(self._end)
            raise OutputError(
                f"{self.path}: an answer cannot be kept: {error.strerror}; those before it are: see to space and "
                "permissions there, then run the same command again to go on"
            ) from error


class _JsonLines:
    """Offsets of the answered requests of a log. ``length`` is that of its whole lines, in bytes."""

    def __init__(self, path: Path, opened: ExitStack) -> None:
        self.path = path
        self.offsets: dict[str, int] = {}
        self.length = 0
        self._file = opened.enter_context(path.open("rb"))
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                break
            self._index(number, line)
            self.length += len(line)

    def _index(self, number: int, line: bytes) -> None:
        try:
            record, _ = unseal_line(line, ATTEMPT_NAMES)
            if record["outcome"] in _ANSWERED:
                self.offsets.setdefault(record["request_hash"], self.length)
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{self.path}:{number}: not a record of an attempt; the log is damaged: verify its folder with "
                "phrasemill, then run its command again, which takes such lines out; their requests are sent again"
            ) from error

    def get(self, request_hash: str) -> Completion | None:
        offset = self.offsets.get(request_hash)
        if offset is None:
            return None
        self._file.seek(offset)
        try:
            record, _ = unseal_line(self._file.readline(), ATTEMPT_NAMES)
        except BrokenSeal as error:
            raise IntegrityError(f"{self.path}: a stored answer is damaged, as it was not a moment ago") from error
        return _completion({name: record[name] for name in _STORED})


class _Evidence:
    """Places of the answered requests of a Parquet table; keeps the answers of one row group."""

    def __init__(self, path: Path, opened: ExitStack) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._file = opened.enter_context(pq.ParquetFile(path))
            for group in range(self._file.num_row_groups):
                keys = self._file.read_row_group(group, columns=["request_hash", "outcome"])
                pairs = zip(keys["request_hash"].to_pylist(), keys["outcome"].to_pylist(), strict=True)
                for row, (hash_, outcome) in enumerate(pairs):
                    if outcome in _ANSWERED:
                        self._places.setdefault(hash_, (group, row))
        except (OSError, KeyError, ValueError) as error:
            raise IntegrityError(f"{path}: not a table of generations: {error}") from error
        self._group = -1
        self._rows: list[dict[str, Any]] = []

    def get(self, request_hash: str) -> Completion | None:
        place = self._places.get(request_hash)
        if place is None:
            return None
        group, row = place
        if group != self._group:
            self._rows = self._file.read_row_group(group, columns=list(_STORED)).to_pylist()
            self._group = group
        return _completion(self._rows[row])


_Source = _JsonLines | _Evidence


def _sync_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _completion(record: Mapping[str, Any]) -> Completion:
    return Completion(
        text=record["text"],
        finish_reason=record["finish_reason"],
        prompt_tokens=record["prompt_tokens"],
        completion_tokens=record["completion_tokens"],
        seconds=record["seconds"],
    )
