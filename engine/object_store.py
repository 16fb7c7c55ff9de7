"""An object store: objects put, put where none is, read and listed, with retries and with errors that say what to do.

Credentials, region and endpoint come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
AWS_ENDPOINT_URL, ...) and are shown nowhere: of what a store answers, only the status and the error's code are told.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import obstore
from blake3 import blake3
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from phrasemill.schemas.errors import BackendError, ConfigError

PATIENCE_SECONDS: Final = 120.0
"""How long one operation is tried again while the store is out of order."""

_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 10.0
_CONNECT_SECONDS: Final = 10
_REQUEST_SECONDS: Final = 300
"""For one request: a part of a file is 5 MB, an object that must not be there yet is sent in one."""

_PARTS_AT_ONCE: Final = 2
"""Parts of 5 MB of one file that are in memory and under way."""

_CHUNK_BYTES: Final = 4 * 1024 * 1024
_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_KIND: Final = re.compile(r"HttpError \{\s*kind: (\w{1,20})")
_MACHINE: Final = "//169.254.169.254/"
"""Where a machine in a cloud is asked for credentials, when the environment has none."""

_TRIED_AGAIN: Final = frozenset({408, 409, 425, 429})

T = TypeVar("T")


class _AbsentAgainError(Exception):
    """A name was taken when we wrote and is free now: another write was under way and did not land."""


class ObjectStore:
    """Objects under one address, by their name relative to it. May be used by several threads.

    Every method raises ConfigError where the store refuses (credentials, rights, no such bucket), and BackendError
    where it is out of order for longer than ``patience`` seconds.
    """

    def __init__(self, url: str, patience: float = PATIENCE_SECONDS) -> None:
        """Nothing is sent. ConfigError: the environment lacks what this kind of store needs."""
        self.url = url
        self._patience = patience
        self._given_up = threading.Event()
        try:
            # Retries are ours alone: the library does not repeat a conditional write, and rightly so.
            self._store = from_url(
                url,
                client_options={
                    "timeout": f"{_REQUEST_SECONDS}s",
                    "connect_timeout": f"{_CONNECT_SECONDS}s",
                    "allow_http": True,  # only where the environment names an endpoint without TLS
                },
                retry_config={"max_retries": 0},
            )
        except (BaseError, ValueError) as error:
            raise ConfigError(f"{url}: cannot be opened: {str(error).splitlines()[0]}") from error

    def give_up(self) -> None:
        """Try nothing again from now on: whoever waits for the store is leaving."""
        self._given_up.set()

    def put_file(self, name: str, path: Path) -> None:
        """Write a file's bytes; a large one in parts. An object is there as a whole or not at all."""
        self._tried(f"writing {name}", lambda: obstore.put(self._store, name, path, max_concurrency=_PARTS_AT_ONCE))

    def put(self, name: str, data: bytes) -> None:
        """Write an object, over an earlier one of that name."""
        self._tried(f"writing {name}", lambda: obstore.put(self._store, name, data))

    def create(self, name: str, data: bytes) -> bool:
        """Write an object where none is; False where another one is. One with the same bytes is taken as ours.

        A write whose answer was lost may have landed, so a taken name is read before it is called taken.
        """

        def attempt() -> bool:
            try:
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
            except AlreadyExistsError as error:
                found = self._read(name)
                if found is None:
                    raise _AbsentAgainError from error
                return found == data
            return True

        return self._tried(f"writing {name}", attempt)

    def keeps_what_is_there(self, name: str, data: bytes) -> bool:
        """Whether the store refuses to write an object over the equal one that is there already."""

        def attempt() -> bool:
            try:
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return True
            return False

        return self._tried(f"writing {name}", attempt)

    def read(self, name: str) -> bytes | None:
        """The object's bytes; None where there is none."""
        return self._tried(f"reading {name}", lambda: self._read(name))

    def size(self, name: str) -> int | None:
        """The object's size in bytes; None where there is none."""

        def attempt() -> int | None:
            try:
                return obstore.head(self._store, name)["size"]
            except FileNotFoundError as error:
                self._refuse_no_bucket(error)
                return None

        return self._tried(f"looking at {name}", attempt)

    def digest(self, name: str) -> tuple[int, str] | None:
        """Size and blake3 of the object, which is streamed; None where there is none."""

        def attempt() -> tuple[int, str] | None:
            hasher, size = blake3(), 0
            try:
                for chunk in obstore.get(self._store, name).stream(min_chunk_size=_CHUNK_BYTES):
                    hasher.update(memoryview(chunk))
                    size += len(chunk)
            except FileNotFoundError as error:
                self._refuse_no_bucket(error)
                return None
            return size, hasher.hexdigest()

        return self._tried(f"reading {name}", attempt)

    def names(self, folder: str) -> dict[str, int]:
        """Every object under a folder with its size."""

        def attempt() -> dict[str, int]:
            pages: Iterator[Sequence[obstore.ObjectMeta]] = iter(obstore.list(self._store, folder))
            return {each["path"]: each["size"] for page in pages for each in page}

        return self._tried(f"listing {folder}", attempt)

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that is not there is no error."""
        if names:
            self._tried(f"deleting {names[0]}", lambda: obstore.delete(self._store, names))

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError as error:
            self._refuse_no_bucket(error)
            return None

    def _refuse_no_bucket(self, error: Exception) -> None:
        if _code(error) == "NoSuchBucket":
            raise ConfigError(f"{self.url}: the bucket does not exist; make it first") from None

    def _tried(self, doing: str, attempt: Callable[[], T]) -> T:
        """The outcome of an operation that may be repeated without harm; waits double, with full jitter.

        The library's own errors hold what the store said, key names included: they are not chained.
        """
        deadline = time.monotonic() + self._patience
        longest = _FIRST_WAIT
        while True:
            try:
                return attempt()
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise ConfigError(
                    f"{self.url}: refused when {doing} ({_said(error)}); expected credentials in the environment that "
                    "may get, put and list there"
                ) from None
            except FileNotFoundError as error:
                self._refuse_no_bucket(error)
                raise ConfigError(f"{self.url}: not found when {doing} ({_said(error)})") from None
            except NotImplementedError:
                raise ConfigError(
                    f"{self.url}: cannot do what is asked when {doing}: is AWS_CONDITIONAL_PUT set?"
                ) from None
            except (BaseError, OSError, _AbsentAgainError) as error:
                status = _status(error)
                if status is not None and status < 500 and status not in _TRIED_AGAIN:
                    self._refuse_no_bucket(error)
                    raise ConfigError(f"{self.url}: refused when {doing} ({_said(error)})") from None
                wait = random.uniform(0, longest)
                longest = min(2 * longest, _LONGEST_WAIT)
                if self._given_up.wait(wait) or time.monotonic() > deadline:
                    raise BackendError(
                        f"{self.url}: out of order when {doing}: {_said(error)}, for {self._patience:.0f} s; what is "
                        "finished is kept: run the same command again"
                    ) from None


def _status(error: Exception) -> int | None:
    """The HTTP status that stands in an error; None where no answer came."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _code(error: Exception) -> str | None:
    found = _CODE.search(str(error))
    return found[1] if found else None


def _said(error: Exception) -> str:
    """What may be told of an error: a store's own text can hold key names and signatures."""
    if isinstance(error, _AbsentAgainError):
        return "another write to the same name was under way"
    if _MACHINE in str(error):
        return "no credentials in the environment, and this machine offers none"
    if (status := _status(error)) is not None:
        return " ".join(filter(None, (f"status {status}", _code(error))))
    kind = _KIND.search(str(error))
    return f"no answer ({kind[1]})" if kind else "no answer"
