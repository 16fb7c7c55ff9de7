"""Text of the data as Markdown that it can neither break nor leave: escaped, shortened, marked, compared by words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

from phrasemill.engine.display import shown

Mark = Literal["", "**", "~~"]
"""Plain, what was found or is new, what is gone."""

MOST_COMPARED: Final = 4_000_000
"""Words of one text times words of the other, without what they have in common at both ends: more are not compared."""

LEAST_ALIKE: Final = 0.2
"""Share of words in common under which a text is taken to be written anew: a list of all words teaches nothing."""

AROUND: Final = 60
LONGEST_CHANGE: Final = 600
"""Characters shown of what stayed, on each side of a change, and of a change."""

_BREAK: Final = re.compile("\r\n|[\r\n\u2028\u2029]")
_WORD: Final = re.compile(r"\s*\S+")
_EDGES: Final = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)
_ALWAYS: Final = str.maketrans(
    {
        **{char: f"\\{char}" for char in "\\`*[]{}"},
        **{char: f"&#{ord(char)};" for char in "~|$"},
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
    }
)
_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""One that is not inside a word: only such a one begins or ends emphasis."""

_LINK: Final = re.compile(r"(?<=:)/(?=/)|(?<=\bwww)\.", re.IGNORECASE)
_FIRST: Final = re.compile(r"[-+#]|(?<=[0-9])[.)]")
_FIRST_ENTITY: Final = re.compile(r"[=:]")
_NUMBER: Final = re.compile(r"[0-9]{0,9}")
_GAP: Final = "[\N{HORIZONTAL ELLIPSIS} {count:,} characters \N{HORIZONTAL ELLIPSIS}]"


class Piece(NamedTuple):
    """A piece of a text and how it is marked. ``left_out``: it stands for that many characters, and has no text."""

    text: str
    mark: Mark = ""
    left_out: int = 0


def inline(text: str) -> str:
    """The text in one line of Markdown, all of it literal."""
    return _line(" ".join(shown(part).strip() for part in _BREAK.split(text)).strip())


def quoted(pieces: Iterable[Piece]) -> str:
    """The pieces as a Markdown block quote, line by line as they stand; marks never cross a line."""
    lines: list[list[str]] = [[]]
    for piece in pieces:
        if piece.left_out:
            gap = _GAP.format(count=piece.left_out)
            lines[-1].append(f" {gap}" if lines[-1] and not lines[-1][-1].endswith(" ") else gap)
            continue
        for number, part in enumerate(_BREAK.split(piece.text)):
            if number:
                lines.append([])
            lines[-1].append(_marked(shown(part), piece.mark, first=not "".join(lines[-1]).strip()))
    return "".join(f"> {line}  \n" if (line := "".join(parts)).strip() else ">\n" for parts in lines)


def marked(text: str, spans: Iterable[tuple[int, int]]) -> list[Piece]:
    """The text with the spans marked; those that overlap or touch are marked as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            start, stop = joined[-1][0], max(stop, joined.pop()[1])
        joined.append((start, stop))
    pieces: list[Piece] = []
    done = 0
    for start, stop in joined:
        pieces += [Piece(text[done:start]), Piece(text[start:stop], "**")]
        done = stop
    return [piece for piece in (*pieces, Piece(text[done:])) if piece.text]


def shortened(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    """The pieces with the middle of long ones left out, each as long as its share of ``limit`` characters allows."""
    if sum(len(piece.text) for piece in pieces) <= limit:
        return list(pieces)
    share = max(limit // max(1, len(pieces)), 80)
    return [part for piece in pieces for part in _cut(piece, share)]


def changes(pieces: Sequence[Piece]) -> list[Piece]:
    """The marked pieces with a little of what stands around them."""
    found: list[Piece] = []
    for at, piece in enumerate(pieces):
        if piece.mark:
            found += _cut(piece, LONGEST_CHANGE)
            continue
        head = AROUND if at else 0
        tail = AROUND if at + 1 < len(pieces) else 0
        found += _between(piece, head, tail)
    return found


def word_diff(before: str, after: str) -> list[Piece] | None:
    """What is gone and what is new, word by word; None where the texts are too long or have too little in common."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    bare_old, bare_new = [word.strip() for word in old], [word.strip() for word in new]
    head = _common(bare_old, bare_new)
    tail = _common(bare_old[head:][::-1], bare_new[head:][::-1])
    middle_old, middle_new = bare_old[head : len(old) - tail], bare_new[head : len(new) - tail]
    if len(middle_old) * len(middle_new) > MOST_COMPARED:
        return None
    matcher = SequenceMatcher(None, middle_old, middle_new, autojunk=False)
    same = head + tail + sum(block.size for block in matcher.get_matching_blocks())
    if 2 * same < LEAST_ALIKE * (len(old) + len(new)):
        return None
    pieces = [Piece("".join(new[:head]))]
    for kind, start, stop, new_start, new_stop in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("".join(new[head + new_start : head + new_stop])))
            continue
        pieces.append(Piece("".join(old[head + start : head + stop]), "~~"))
        pieces.append(Piece("".join(new[head + new_start : head + new_stop]), "**"))
    pieces.append(Piece("".join(new[len(new) - tail :])))
    return _apart([piece for piece in pieces if piece.text])


def _apart(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with a space between them where two words would touch."""
    ends = ["", *(piece.text for piece in pieces)]
    pairs = zip(ends, pieces, strict=False)
    return [
        piece._replace(text=f" {piece.text}")
        if end and not end[-1].isspace() and not piece.text[0].isspace()
        else piece
        for end, piece in pairs
    ]


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


def _cut(piece: Piece, share: int) -> list[Piece]:
    lost = len(piece.text) - share
    if piece.left_out or lost < share // 4:
        return [piece]
    return _between(piece, share // 2, share // 2)


def _between(piece: Piece, head: int, tail: int) -> list[Piece]:
    """The first and the last characters of a piece, up to a word's end; all of it where little would be left out."""
    text = piece.text
    if len(text) <= head + tail + AROUND:
        return [piece]
    stop = text.rfind(" ", head // 2, head) if head else 0
    start = text.find(" ", len(text) - tail, len(text) - tail // 2) if tail else len(text)
    stop = stop if stop >= 0 else head
    start = start if start >= 0 else len(text) - tail
    parts = (Piece(text[:stop], piece.mark), Piece("", left_out=start - stop), Piece(text[start:], piece.mark))
    return [part for part in parts if part.text or part.left_out]


def _marked(text: str, mark: Mark, *, first: bool) -> str:
    """A piece inside a line; the mark stands close to the words, or it would not be read as one."""
    if not mark or not text.strip():
        return _line(text) if first else _escaped(text)
    edges = _EDGES.fullmatch(text)
    assert edges is not None
    lead, words, trail = edges.groups()
    return f"{_line(lead) if first else lead}{mark}{_escaped(words)}{mark}{trail}"


def _escaped(text: str) -> str:
    escaped = _UNDERSCORE.sub(r"\\_", text.translate(_ALWAYS))
    return _LINK.sub(lambda found: f"&#{ord(found[0])};", escaped)


def _line(text: str) -> str:
    """The escaped text where a line begins: it opens no list, heading or code."""
    words = text.lstrip(" \t")
    lead = text[: len(text) - len(words)].replace("\t", "    ")
    escaped = _escaped(words)
    number = _NUMBER.match(escaped)
    at = number.end() if number else 0
    if _FIRST.match(escaped, at):
        escaped = f"{escaped[:at]}\\{escaped[at:]}"
    elif _FIRST_ENTITY.match(escaped):
        escaped = f"&#{ord(escaped[0])};{escaped[1:]}"
    return "&nbsp;" * len(lead) + escaped
