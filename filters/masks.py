"""Parts of a turn that are not the assistant's own voice: code, quotes, URLs, data, reasoning.

Offsets are bytes of the UTF-8 text, unless a docstring says code points. Every pattern is linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import re2

from phrasemill.filters.data_answers import data_stretch, is_json
from phrasemill.filters.offsets import CodePoints

__all__ = ["HARD", "REASONING", "Mask", "exemption", "find_masks", "is_json", "mask_points", "reasoning_stop"]


class Mask(NamedTuple):
    """A masked part, half-open, and the exemption that it gives."""

    start: int
    stop: int
    kind: str


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(pattern.encode())


_FENCE: Final = _compiled(r"(?m)^[ \t]{0,3}(?:[-*+>] )?(`{3,}|~{3,})")
_STRAY_FENCE: Final = _compiled(r"\A[ \t]*(?:`{3,}|~{3,})[ \t]*\n[ \t]*(?:\n|\z)")
_INLINE: Final = _compiled(r"``(?:[^`\n]|`[^`\n])+``|`[^`\n]+`")
_URL: Final = _compiled(r"""(?i)\b(?:https?|ftp)://[^\s<>"')\]]+|\bwww\.[^\s<>"')\]]+""")
_QUOTE: Final = _compiled(
    r'"[^"\n]+"|\x{201c}[^\x{201c}\x{201d}\n]+\x{201d}|\x{ab}[^\x{ab}\x{bb}\n]+\x{bb}'
    r"|\x{300c}[^\x{300c}\x{300d}\n]+\x{300d}"
)
_LONG_QUOTE: Final = _compiled(r"\x{201c}[^\x{201c}\x{201d}]+\x{201d}|(?m:^)[ \t]*\"\p{Lu}[^\"]+\"[ \t]*(?m:$)")
_SINGLE_QUOTE: Final = _compiled(
    r"(?m)(?:^|[\s(\x{2014}>*])('\p{Lu}[^'\n]*(?:'\w[^'\n]*)*'|\x{2018}[^\x{2018}\x{2019}\n]+"
    r"(?:\x{2019}\w[^\x{2018}\x{2019}\n]*)*\x{2019})(?:[\s.,;:!?)*\x{2014}]|$)"
)
_BLOCKQUOTE: Final = _compiled(r"(?m)^[ \t]{0,3}>[^\n]*")
_REASONING: Final = _compiled(r"(?is)\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*")

_QUOTE_MARKS: Final = (b'"', "\u201c".encode(), "\u00ab".encode(), "\u300c".encode())
_LONG_MARKS: Final = (b'\n"', b'\n "', "\u201c".encode())
_SINGLE_MARKS: Final = (b" '", b"\n'", b"('", b"*'", b">'", "\u2014'".encode(), "\u2018".encode())

LONG_QUOTE_BYTES: Final = 1_200
"""Longest quotation that runs over more than one line."""

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
    if (data := data_stretch(text[answer:])) is not None:
        masks.append(Mask(answer + data[0], answer + data[1], data[2]))
        if data[1] - data[0] == len(text) - answer:
            return masks
    if b"```" in text or b"~~~" in text:
        masks.extend(_fences(text))
    if b"`" in text:
        masks.extend(_found(_INLINE, text, "code"))
    if b"://" in text or b"www." in text:
        masks.extend(_found(_URL, text, "url"))
    if any(mark in text for mark in _QUOTE_MARKS):
        masks.extend(_found(_QUOTE, text, "quote"))
    if any(mark in text for mark in _LONG_MARKS) or text.startswith(b'"'):
        masks.extend(mask for mask in _found(_LONG_QUOTE, text, "quote") if _is_long_quote(text, mask))
    if any(mark in text for mark in _SINGLE_MARKS) or text.startswith(b"'"):
        masks.extend(Mask(match.start(1), match.end(1), "quote") for match in _SINGLE_QUOTE.finditer(text))
    if b"\n>" in text or text.lstrip().startswith(b">") or (b"\n " in text and b" >" in text):
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


def _is_long_quote(text: bytes, mask: Mask) -> bool:
    """One that a newline splits; past some length it is two unrelated marks."""
    return mask.stop - mask.start <= LONG_QUOTE_BYTES and b"\n" in text[mask.start : mask.stop].strip()


def _fences(text: bytes) -> list[Mask]:
    """Fenced code blocks; one that is never closed runs to the end, as CommonMark says.

    A last bare fence with a blank line behind it is one too many: prose follows.
    """
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
    if opened is not None and not _STRAY_FENCE.search(text, opened[0]):
        masks.append(Mask(opened[0], len(text), "code"))
    return masks


def exemption(masks: list[Mask], start: int, stop: int) -> str | None:
    """The kind of the first mask that holds ``start:stop``, code before quote, or None.

    A quotation holds also what begins or ends in it and stands there for the larger part: a sentence may end behind it,
    or begin with who says it.
    """
    kinds = {mask.kind for mask in masks if mask.start <= start and stop <= mask.stop}
    for kind in (REASONING, "json", "code", "url", "quote"):
        if kind in kinds:
            return kind
    shared = (
        min(stop, mask.stop) - max(start, mask.start)
        for mask in masks
        if mask.kind == "quote" and (mask.start < start < mask.stop or mask.start < stop <= mask.stop)
    )
    return "quote" if any(2 * inside >= stop - start for inside in shared) else None
