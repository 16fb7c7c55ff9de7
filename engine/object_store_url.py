"""Addresses of object stores: which are ones, what may stand in them, and the way to an open store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from phrasemill.schemas.errors import ConfigError

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

SCHEMES: Final = ("s3", "gs", "az")
"""Stores with a write that fails where the name is taken. Only s3 is tested."""

_WHOLE: Final = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[^/]*)/?(?P<prefix>.*)", re.DOTALL)
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_GLOB: Final = re.compile(r"[*?\[]")
_PART: Final = re.compile(r"[A-Za-z0-9._=@+-]+")


def is_store_url(text: str) -> bool:
    """Whether an output names an object store and not a folder."""
    return "://" in text


def checked_url(text: str) -> str:
    """The address without a slash at its end.

    Raises:
        ConfigError: another scheme, no bucket, or characters that do not belong there. A name and a password in an
            address are refused and not repeated.

    """
    match = _WHOLE.fullmatch(text)
    if match is None or match["scheme"] not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ConfigError(f"{text.split('://')[0]}://...: not a store that can be written to; expected {known}")
    if "@" in match["bucket"] or ":" in match["bucket"]:
        raise ConfigError(f"{match['scheme']}://...: credentials do not belong in an address; use the environment")
    if _BUCKET.fullmatch(match["bucket"]) is None:
        raise ConfigError(f"{text}: got the bucket {match['bucket']!r}, expected for example s3://bucket/folder")
    prefix = match["prefix"].rstrip("/")
    parts = prefix.split("/") if prefix else []
    if wrong := [part for part in parts if part in {".", ".."} or _PART.fullmatch(part) is None]:
        raise ConfigError(f"{text}: got {wrong[0]!r} in the path, expected letters, digits and . _ = @ + - only")
    return "/".join([f"{match['scheme']}://{match['bucket']}", *parts])


def refuse_own_output(url: str, inputs: Sequence[str]) -> None:
    """Refuse an input that lies under the address, or a folder that holds it: the next run would read this one's."""
    for path in inputs:
        folder = _GLOB.split(path)[0].rstrip("/")
        deep = folder == path.rstrip("/") or "**" in path
        if f"{path}/".startswith(f"{url}/") or (deep and f"{url}/".startswith(f"{folder}/")):
            raise ConfigError(f"{url}: the input {path} and the output hold one another; write somewhere else")


def open_store(url: str) -> ObjectStore:
    """The store behind an address; nothing is sent yet. ConfigError where the extra is not installed."""
    url = checked_url(url)
    try:
        from phrasemill.engine.object_store import ObjectStore
    except ImportError as error:
        raise ConfigError(f"{url}: needs the extra s3: pip install 'phrasemill[s3]'") from error
    return ObjectStore(url)
