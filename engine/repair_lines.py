"""How the text closes up around a cut: spaces, lines left empty, paragraph breaks, rules that separate nothing."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

import re
from typing import Final

from phrasemill.engine.repair_seam import (
    PREFIX,
    Gutted,
    Seam,
    is_blank,
    line_end,
    line_start,
    next_line,
    open_runs,
    skip_left,
    skip_right,
)

_RULE: Final = re.compile(r"[^\S\r\n]{0,3}(?:-{3,}|\*{3,}|_{3,}|(?:[-*_][^\S\r\n]+){2,}[-*_]|[─━═]{3,})[^\S\r\n]*")
_ORNAMENT: Final = re.compile(r"[\s*_~.!,;\U0001F000-\U0001FAFF\u2600-\u27BF\u2B50\u2B55\uFE0F\u200D\u200b\ufeff–—-]*")
_NUMBER: Final = re.compile(r"([^\S\r\n]*)(\d{1,3})[.)](?=\s)")
_LABEL: Final = re.compile(r"(?:p\.? ?s\.?|n\.? ?b\.?|note|tip|reminder|disclaimer)\W*", re.IGNORECASE)
_STRUCTURE: Final = re.compile(r"[^\S\r\n]*(?:[-*+•>|]|\d{1,3}[.)]|```|~~~)")
_CLOSING: Final = frozenset(",;)]}”’»…，。！？：；、）】」』")
_CLOSING_IF_LAST: Final = frozenset(".:!?")
_OPENING: Final = frozenset("([{“‘«¿¡（「『【")


def close(seam: Seam) -> None:
    """Grow ``seam`` over white space, and over its whole line with the line's marker where nothing is left of it.

    The text begins with its first word and ends with its last; between paragraphs the wider of two breaks stays.
    Raises Gutted where a label, a number or a word would be left torn off.
    """
    if _empties_line(seam):
        _check_numbering(seam)
        _close_lines(seam)
        return
    if is_blank(seam.after):
        _check_label(seam)
        seam.start = seam.left
        if seam.hi == len(seam.text) and _only_rules(seam.text[seam.stop :]):
            seam.stop = seam.hi
        return
    if seam.opens_line:
        seam.stop = seam.right
        if is_blank(seam.text[: seam.start]):
            seam.start = seam.lo
        return
    _join(seam)


def _empties_line(seam: Seam) -> bool:
    """Whether only a list marker, quote marks or ornaments are left of the line, and all of it may go."""
    if seam.line_start < seam.lo or seam.line_end > seam.hi:
        return False
    prefix = PREFIX.match(seam.before)
    left = seam.before[prefix.end() :] if prefix else seam.before
    return _ORNAMENT.fullmatch(left + seam.after) is not None


def _check_numbering(seam: Seam) -> None:
    """Refuse to take an item out of the middle of a numbered list."""
    own = _NUMBER.match(seam.text, seam.line_start)
    following = _NUMBER.match(seam.text, skip_blank_lines(seam.text, next_line(seam.text, seam.line_end)))
    if own and following and own[1] == following[1] and int(following[2]) == int(own[2]) + 1:
        raise Gutted


def _check_label(seam: Seam) -> None:
    """Refuse to leave "Note:" or "P.S." without what they announce."""
    content = seam.before[(m.end() if (m := PREFIX.match(seam.before)) else 0) :].strip("*_~ \t")
    following = seam.text[skip_blank_lines(seam.text, next_line(seam.text, seam.line_end)) :]
    if _LABEL.fullmatch(content) or (content.endswith((":", "：")) and not _STRUCTURE.match(following)):
        raise Gutted


def _close_lines(seam: Seam) -> None:
    """Take the emptied line and the narrower of the two breaks around it."""
    text = seam.text
    quoted = ">" in text[seam.line_start : seam.start]
    seam.start, seam.stop = seam.line_start, seam.line_end
    above = skip_left(text, seam.start, seam.lo)
    below = min(skip_blank_lines(text, next_line(text, seam.stop), quoted), seam.hi)
    if above == 0:
        seam.start, seam.stop = 0, _skip_rules(text, below, seam.hi)
        _outdent(seam)
    elif seam.hi == len(text) and _only_rules(text[below:]):
        seam.start, seam.stop = _skip_rules_left(text, above, seam.lo), len(text)
    elif _breaks(text[skip_left(text, seam.start, 0) : seam.start]) >= _breaks(text[seam.stop : below]):
        seam.stop = below
        _merge_rules(seam)
    else:
        seam.start = above


def _outdent(seam: Seam) -> None:
    """Take one to three stray spaces before the word that now begins the text; deeper ones are code."""
    first = skip_right(seam.text, seam.stop, min(seam.hi, line_end(seam.text, seam.stop)))
    if first - seam.stop < 4 and "\t" not in seam.text[seam.stop : first] and seam.text[first : first + 1].isalpha():
        seam.stop = first


def _breaks(space: str) -> int:
    return len(re.findall(r"\r\n|\n|\r", space))


def skip_blank_lines(text: str, pos: int, quoted: bool = False) -> int:
    """The start of the first line from ``pos`` on that has content; ``quoted`` passes bare quote marks as well."""
    while pos < len(text):
        end = line_end(text, pos)
        if text[pos:end].strip(" \t\u00a0\u200b\ufeff>" if quoted else None):
            return pos
        if end == len(text):
            return end
        pos = next_line(text, end)
    return pos


def _only_rules(rest: str) -> bool:
    """Whether nothing but rules and blank lines follows."""
    return all(is_blank(line) or _RULE.fullmatch(line) for line in rest.splitlines())


def _skip_rules(text: str, pos: int, hi: int) -> int:
    """Pass the rules at the start of what is left. One without a blank line behind it opens front matter and stays."""
    while pos < hi:
        end = line_end(text, pos)
        following = next_line(text, end)
        if not _RULE.fullmatch(text, pos, end) or not is_blank(text[following : line_end(text, following)]):
            break
        pos = min(skip_blank_lines(text, following), hi)
    return pos


def _skip_rules_left(text: str, pos: int, lo: int) -> int:
    """Pass the rules at the end of what is left. One right below a line of text underlines a heading and stays."""
    while pos > lo:
        begin = line_start(text, pos)
        above = skip_left(text, begin, lo)
        if begin < lo or not _RULE.fullmatch(text, begin, pos) or _breaks(text[above:begin]) < 2:
            break
        pos = above
    return pos


def _merge_rules(seam: Seam) -> None:
    """Leave one rule where two met around a removed paragraph."""
    text = seam.text
    above = text[: skip_left(text, seam.start, seam.lo)]
    end = line_end(text, seam.stop)
    if _RULE.fullmatch(above, line_start(above, len(above))) and _RULE.fullmatch(text, seam.stop, end):
        below = skip_blank_lines(text, next_line(text, end))
        seam.stop = below if below <= seam.hi else seam.stop


def _join(seam: Seam) -> None:
    """Close a gap inside a line: one run of white space stays, none beside brackets and closing punctuation."""
    text, left, right = seam.text, seam.left, seam.right
    before, after = text[left - 1 : left], text[right : right + 1]
    if _closes_here(seam, right) or before in _OPENING or (left == seam.start and _opens_emphasis(seam)):
        seam.start, seam.stop = left, right
    elif left < seam.start:
        seam.stop = right
    elif right == seam.stop and before.isalnum() and after.isalnum() and _cased(before) and _cased(after):
        raise Gutted


def _cased(char: str) -> bool:
    return char.isdigit() or char.upper() != char.lower()


def _closes_here(seam: Seam, right: int) -> bool:
    """Whether what follows belongs to the word before: closing punctuation or the end of its emphasis."""
    char, beyond = seam.text[right], seam.text[right + 1 : right + 2]
    if char in _CLOSING or (char in _CLOSING_IF_LAST and not beyond.isalnum() and beyond != "/"):
        return True
    run = re.compile(r"\*+|_+|~~").match(seam.text, right)
    return run is not None and run[0] in open_runs(seam.before)


def _opens_emphasis(seam: Seam) -> bool:
    run = re.search(r"(?:\*+|_+|~~)$", seam.before)
    return run is not None and run[0] in open_runs(seam.before)
