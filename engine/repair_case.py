"""The one letter that a repair may change: whether the word behind a cut takes a capital, and which."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = """
apt awk bash brew cargo cd chmod clang conda cron curl ffmpeg gcc git grep gzip iptables jq jupyter kubectl ls
matplotlib mkdir nginx npm npx numpy pandas pip pnpm psql pytest rsync scipy sed sklearn ssh sudo systemctl tmux
uv vim wget yarn zsh localhost macos iphone ipad ipod ios ebay
"""
LOWERCASE_NAMES: Final = frozenset(_NAMES.split())
"""Names that are written in lowercase even at the start of a sentence."""

SINGLE_LETTERS: Final = frozenset("aiàèéóавиокусяё")
"""One-letter words of ordinary prose; every other lone letter is a variable, a unit or a list label."""

_OPENING: Final = re.compile(r"(?:(\*{1,3}|_{1,3})(?=\w))?[¿¡]?")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’ʼ\-‑][^\W\d_]+)*")
_AFTER_WORD: Final = re.compile(r"[*_~]{0,3}(?:[—–]|[,;:!?….\]}\"'”’»，。：；！？]*(?:\s|$))")
_LABEL: Final = re.compile(r"(?:[a-z]|[ivx]+)[.)](?:\s|$)")
_CODE: Final = re.compile(
    r"\w\(|[;{}]\s*$|\s(?:[-+*/]|:)?=\s|==|=>|->|::|</?\w|&&|\|\|"
    r"|^(?:import\s+[\w.]+(?:\s+as\s+\w+)?\s*$|from\s+[\w.]+\s+import\b|select\s.*\sfrom\s|(?:def|class)\s+\w+.*:\s*$)"
)
_TURKISH: Final = frozenset("ışğİ")
_TURKISH_WINDOW: Final = 200


def capital(text: str, pos: int, limit: int) -> tuple[int, str] | None:
    """The index and the capital of the first letter of the ordinary lowercase word that begins at ``pos``.

    None where nothing may change: names such as ``iPhone`` and ``npm``, paths, URLs, identifiers, code, list labels,
    brackets and quotations, scripts without case, and everything from ``limit`` on. Emphasis and an inverted mark
    before the word are passed over.
    """
    end = _line_end(text, pos)
    opening = _OPENING.match(text, pos, end)
    at = opening.end() if opening else pos
    if opening and opening[1] and not _closes(text, at, end, opening[1]):
        return None
    word = _WORD.match(text, at, end)
    if word is None or word.end() > limit or not _ordinary(text, word, end):
        return None
    letter = text[at]
    if letter == "i" and _TURKISH.intersection(text[at : at + _TURKISH_WINDOW]):
        return at, "İ"
    title = letter.title()
    return (at, title) if len(title) == 1 and title != letter else None


def _ordinary(text: str, word: re.Match[str], end: int) -> bool:
    """Whether the word is lowercase prose and its line is not code."""
    letters = word[0]
    if letters != letters.lower() or letters in LOWERCASE_NAMES or letters[0] == "µ":
        return False
    if len(letters) == 1 and letters not in SINGLE_LETTERS:
        return False
    if _LABEL.match(text, word.start(), end) or not _AFTER_WORD.match(text, word.end(), end):
        return False
    return not _CODE.search(text[word.start() : end])


def _closes(text: str, pos: int, end: int, marker: str) -> bool:
    """Whether the emphasis that opened just before ``pos`` is closed on its line: ``*args`` is not."""
    return re.compile(rf"(?<=[^\s*_]){re.escape(marker)}(?!\w)").search(text, pos, end) is not None


def _line_end(text: str, pos: int) -> int:
    end = text.find("\n", pos)
    return len(text) if end < 0 else end
