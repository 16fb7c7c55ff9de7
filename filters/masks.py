"""Parts of a turn that are not the assistant's own voice: code, quotes, URLs, JSON answers, reasoning.

Offsets are bytes of the UTF-8 text, unless a docstring says code points. Every pattern is linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import orjson
import re2

from phrasemill.filters.offsets import CodePoints


class Mask(NamedTuple):
    """A masked part, half-open, and the exemption that it gives."""

    start: int
    stop: int
    kind: str


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(pattern.encode())


_FENCE: Final = _compiled(r"(?m)^[ \t]{0,3}(?:[-*+>] )?(`{3,}|~{3,})")
_INLINE: Final = _compiled(r"``(?:[^`\n]|`[^`\n])+``|`[^`\n]+`")
_URL: Final = _compiled(r"""(?i)\b(?:https?|ftp)://[^\s<>"')\]]+|\bwww\.[^\s<>"')\]]+""")
_QUOTE: Final = _compiled(
    r'"[^"\n]+"|\x{201c}[^\x{201c}\x{201d}\n]+\x{201d}|\x{ab}[^\x{ab}\x{bb}\n]+\x{bb}'
    r"|\x{300c}[^\x{300c}\x{300d}\n]+\x{300d}"
)
_BLOCKQUOTE: Final = _compiled(r"(?m)^[ \t]{0,3}>[^\n]*")
_REASONING: Final = _compiled(r"(?is)\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*")

REASONING: Final = "reasoning"
HARD: Final = frozenset({"code", "json", REASONING})
"""Masks that an edit never touches; a quote or URL may go with the sentence that holds it."""


def reasoning_stop(text: bytes) -> int:
    """Where the answer starts: behind a ``<think>...</think>`` block at the very start, else 0."""
    if text.lstrip()[:6].lower() != b"<think":
        return 0
    found = _REASONING.match(text)
    return int(found.end()) if found else 0


def find_masks(text: bytes) -> list[Mask]:
    """All masked parts of one turn, in no particular order; they may nest."""
    masks: list[Mask] = []
    answer = reasoning_stop(text)
    if answer:
        masks.append(Mask(0, answer, REASONING))
    if is_json(text[answer:]):
        masks.append(Mask(answer, len(text), "json"))
        return masks
    if b"```" in text or b"~~~" in text:
        masks.extend(_fences(text))
    if b"`" in text:
        masks.extend(_found(_INLINE, text, "code"))
    if b"://" in text or b"www." in text:
        masks.extend(_found(_URL, text, "url"))
    masks.extend(_found(_QUOTE, text, "quote"))
    if b">" in text:
        masks.extend(_found(_BLOCKQUOTE, text, "quote"))
    return masks


def mask_points(text: str) -> list[Mask]:
    """The masks of a text, in code points."""
    raw = text.encode()
    masks = find_masks(raw)
    if len(raw) == len(text):
        return masks
    point = CodePoints(raw, text)
    point.learn(border for mask in masks for border in (mask.start, mask.stop))
    return [Mask(point(mask.start), point(mask.stop), mask.kind) for mask in masks]


def _found(pattern: re2._Regexp, text: bytes, kind: str) -> Iterator[Mask]:
    for match in pattern.finditer(text):
        yield Mask(match.start(), match.end(), kind)


def is_json(text: bytes) -> bool:
    """Whether the whole text is a JSON object or array."""
    body = text.strip()
    if body[:1] + body[-1:] not in (b"{}", b"[]"):
        return False
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _fences(text: bytes) -> list[Mask]:
    """Fenced code blocks; one that is never closed runs to the end, as CommonMark says."""
    masks: list[Mask] = []
    opened: tuple[int, bytes] | None = None
    for found in _FENCE.finditer(text):
        fence = found.group(1)
        if opened is None:
            opened = (found.start(), fence)
        elif fence[:1] == opened[1][:1] and len(fence) >= len(opened[1]):
            line_end = text.find(b"\n", found.end())
            masks.append(Mask(opened[0], len(text) if line_end < 0 else line_end, "code"))
            opened = None
    if opened is not None:
        masks.append(Mask(opened[0], len(text), "code"))
    return masks


def exemption(masks: list[Mask], start: int, stop: int) -> str | None:
    """The kind of the first mask that holds ``start:stop`` wholly, code before quote, or None."""
    kinds = {mask.kind for mask in masks if mask.start <= start and stop <= mask.stop}
    for kind in (REASONING, "json", "code", "url", "quote"):
        if kind in kinds:
            return kind
    return None
