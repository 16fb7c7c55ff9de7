"""What is slow to compile and always comes out the same, kept between processes under the user's cache folder.

An entry's name is a hash of all that it was made from, the code that made it included, so that none is ever stale. A
cache that cannot be read or written costs time and nothing else.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import blake3

_CODE: Final = ("cache.py", "compiled.py", "factor.py", "linear.py", "literals.py", "packs.py")
"""Modules whose change makes old entries useless."""

_ENGINES: Final = ("google-re2",)


def cached(kind: str, parts: Iterable[bytes], build: Callable[[], bytes]) -> bytes:
    """The bytes that ``build`` makes from ``parts``, from the cache where they are there."""
    digest = blake3.blake3(_makers())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    path = cache_folder() / f"{kind}-{digest.hexdigest()[:40]}"
    with suppress(OSError):
        content = path.read_bytes()
        body, check = content[:-32], content[-32:]
        if blake3.blake3(body).digest() == check:
            return body
    made = build()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        temporary.write_bytes(made + blake3.blake3(made).digest())
        temporary.replace(path)
    return made


def cache_folder() -> Path:
    """Where this user's entries are; it may not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "phrasemill"


@lru_cache(maxsize=1)
def _makers() -> bytes:
    """The code and the engines that make entries."""
    here = Path(__file__).parent
    digest = blake3.blake3()
    for name in _CODE:
        digest.update((here / name).read_bytes())
    for name in _ENGINES:
        with suppress(PackageNotFoundError):
            digest.update(f"{name} {version(name)}".encode())
    return digest.digest()
