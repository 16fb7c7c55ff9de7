"""From byte offsets of a text to code-point offsets."""

from __future__ import annotations

from collections.abc import Iterable


class CodePoints:
    """Code-point offsets of one text by its byte offsets, each stretch of the text decoded at most once.

    ``raw`` is the text in UTF-8; asked for any number of offsets, in any order.
    """

    __slots__ = ("_ascii", "_known", "_raw")

    def __init__(self, raw: bytes, text: str) -> None:
        self._raw = raw
        self._ascii = len(raw) == len(text)
        self._known: dict[int, int] = {}

    def learn(self, offsets: Iterable[int]) -> None:
        """Work out many offsets in one walk over the text."""
        if self._ascii:
            return
        last, point = 0, 0
        for offset in sorted(set(offsets)):
            point += len(self._raw[last:offset].decode(errors="ignore"))
            self._known[offset] = point
            last = offset

    def __call__(self, offset: int) -> int:
        """The code-point offset of a byte offset that lies on a character's border."""
        if self._ascii:
            return offset
        if offset not in self._known:
            self._known[offset] = len(self._raw[:offset].decode(errors="ignore"))
        return self._known[offset]
