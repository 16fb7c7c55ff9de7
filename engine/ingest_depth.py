"""How deep values and types may be nested: what is deeper is no chat data, and too deep for whoever walks it."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

MAX_DEPTH: Final = 100
"""Lists and objects inside each other, the row itself counted."""

TOO_DEEP: Final = f"the row is nested more than {MAX_DEPTH} levels deep"


def may_be_deep(line: bytes) -> bool:
    """Whether a line of JSON has enough brackets to be nested too deep. Quick, and true for long lines too."""
    return line.count(b"[") + line.count(b"{") > MAX_DEPTH


def is_too_deep(value: dict[str, Any] | list[Any]) -> bool:
    """Whether an object or list is nested more than ``MAX_DEPTH`` levels deep; found without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def type_is_too_deep(kind: pa.DataType) -> bool:
    """Whether values of a column type are nested more than ``MAX_DEPTH`` levels deep."""
    level = [kind]
    for _ in range(MAX_DEPTH):
        level = [each.field(place).type for each in level for place in range(each.num_fields)]
        if not level:
            return False
    return True
