"""Where a secret may stand, and where it must not: configurations and addresses are copied into every output."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import parse_qsl

from pydantic import AfterValidator

_SECRET_WORDS: Final = re.compile(
    r"key|token|secret|passw|pwd|credential|signature|auth|(?:^|[_-])(?:sig|sas)(?:$|[_-])", re.I
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KEY_BEGINS: Final = re.compile(r"(?:sk|pk|rk|hf|gsk|xai|gh[pousr]|github_pat|nvapi|tgp|r8|key|secret)_")
_KEY_REST: Final = re.compile(r"[A-Z0-9]|.{16}")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9]{25}|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16}")
_SHORT: Final = 20
"""A value in an address that is longer may be a key under any name; versions and flags are shorter."""

_LONG: Final = frozenset({"versionid", "filename"})
"""Parameters whose values are long and open nothing."""

_CHAIN: Final = re.compile(r"::(?=[\w.+-]+(?:://|::))")


def is_secret_name(name: str) -> bool:
    """Whether a key or a parameter of that name is likely to hold a secret."""
    return _SECRET_WORDS.search(name) is not None


def check_address(address: str, *, user: bool) -> str:
    """The address as it is. ``user``: whether a name without a password may stand before the host.

    Raises:
        ValueError: it holds a password, or a parameter that may be a key; the message does not repeat it.

    """
    for part in _CHAIN.split(address):
        protocol, found, rest = part.partition("://")
        if not found:
            continue
        is_web = protocol.lower() in ("http", "https")
        place, _, query = (rest.partition("#")[0] if is_web else rest).partition("?")
        if _holds_name(protocol, place, user):
            raise ValueError(
                "holds a name or a password, which would stand in the output; leave it to the environment or to a file"
            )
        if any(_may_be_key(name, value, is_web) for name, value in parse_qsl(query, keep_blank_values=True)):
            raise ValueError(
                "holds a parameter that may be a key, which would stand in the output; leave it to the environment "
                "or to a file"
            )
    return address


def _holds_name(protocol: str, place: str, user: bool) -> bool:
    """Whether a password, or without ``user`` a name, stands before the host."""
    host, _, path = place.partition("/")
    before, at, _ = host.rpartition("@")
    if at:
        # github://organisation:repository@reference/path
        is_repository = protocol == "github" and not _is_likely_key(before.partition(":")[2])
        return not user or (":" in before and not is_repository)
    # A slash in a key or a password ends the host before the @ that follows it. A path may have words such as @cf.
    is_torn = ":" in host and not host.rpartition(":")[2].isdigit()
    return "@" in path and (is_torn or (not user and any("@" in word[1:] for word in path.split("/"))))


def _may_be_key(name: str, value: str, is_web: bool) -> bool:
    """Whether a parameter may hold a key. In a path that is no web address a question mark is mostly a pattern."""
    if not is_web:
        return value != "" and "/" not in name and is_secret_name(name)
    return is_secret_name(name) or (len(value) > _SHORT and name.lower() not in _LONG)


def _is_likely_key(name: str) -> bool:
    """Whether what should be a name looks like a key: how it begins, a long word, or large, small and digits mixed."""
    begins = _KEY_BEGINS.match(name)
    if begins and _KEY_REST.search(name, begins.end()):
        return True
    is_mixed = all(re.search(kind, name) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return is_mixed or _LONG_WORD.search(name) is not None


def _is_variable(name: str) -> str:
    if _VARIABLE.fullmatch(name) is None or _is_likely_key(name):
        raise ValueError(
            "expected the NAME of an environment variable, in letters, digits and underscores, such as "
            "OPENAI_API_KEY; a key itself never stands in a configuration"
        )
    return name


def _is_address(path: str) -> str:
    return check_address(path, user=True)


VariableName = Annotated[str, AfterValidator(_is_variable)]
"""The name of an environment variable. What is refused is not repeated: it may be the key."""

SourcePath = Annotated[str, AfterValidator(_is_address)]
"""A path, or an address without a password or a key in it."""
