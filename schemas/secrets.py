"""Where a secret may stand, and where it must not: configurations and addresses are copied into every output."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import parse_qsl

from pydantic import AfterValidator

_SECRET_WORDS: Final = re.compile(
    r"key|token|secret|passw|pwd|credential|signature|auth|(?:^|[_-])(?:sig|sas)(?:$|[_-])", re.I
)
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_SHORT: Final = 20
"""A value in an address that is longer may be a key under any name; versions and flags are shorter."""


def is_secret_name(name: str) -> bool:
    """Whether a key or a parameter of that name is likely to hold a secret."""
    return _SECRET_WORDS.search(name) is not None


def check_address(address: str, *, user: bool) -> str:
    """The address as it is. ``user``: whether a name without a password may stand before the host.

    Raises:
        ValueError: it holds a password, or a parameter that may be a key; the message does not repeat it.

    """
    for part in address.split("::"):
        _, scheme, rest = part.partition("://")
        if not scheme:
            continue
        place, _, query = rest.partition("#")[0].partition("?")
        host = place.partition("/")[0]
        before, at, _ = host.rpartition("@")
        # A slash in a key or a password ends the host before the @ that follows it.
        is_torn = "@" in place and not at and (not user or (":" in host and not host.rpartition(":")[2].isdigit()))
        if is_torn or (at and (":" in before or not user)):
            raise ValueError(
                "holds a name or a password, which would stand in the output; leave it to the environment or to a file"
            )
        for name, value in parse_qsl(query, keep_blank_values=True):
            if is_secret_name(name) or len(value) > _SHORT:
                raise ValueError(
                    "holds a parameter that may be a key, which would stand in the output; leave it to the environment "
                    "or to a file"
                )
    return address


def _is_variable(name: str) -> str:
    if _VARIABLE.fullmatch(name) is None:
        raise ValueError(
            "expected the NAME of an environment variable, in capitals, digits and underscores, such as "
            "OPENAI_API_KEY; a key itself never stands in a configuration"
        )
    return name


def _is_address(path: str) -> str:
    return check_address(path, user=True)


VariableName = Annotated[str, AfterValidator(_is_variable)]
"""The name of an environment variable. What is refused is not repeated: it may be the key."""

SourcePath = Annotated[str, AfterValidator(_is_address)]
"""A path, or an address without a password or a key in it."""
