"""Free prose about a character: every paragraph under its headings is a statement, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from phrasemill.generators.importers.base import IN_CHARACTER, Imported, Remark, Source, Taken
from phrasemill.generators.importers.ids import make_ids, slug
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import Trait

MIN_WORDS: Final = 4
"""A paragraph of fewer words says too little to be a statement."""

MAX_TITLE: Final = 100
"""An underlined line of more characters is a paragraph above a rule."""

_RULE: Final = re.compile(r"(?:[-*_]\s*){3,}")
_HEADING: Final = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_UNDERLINE: Final = re.compile(r"^(={3,}|-{3,})\s*$")
_BOLD_LINE: Final = re.compile(r"^(?:\*\*|__)([^*_]+?)(?:\*\*|__):?$")
_FENCE: Final = re.compile(r"^\s*(```+|~~~+)")
_ITEM: Final = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s")
_FIRST_PERSON: Final = re.compile(r"\b(?:I|me|my|mine|myself)\b")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines without an empty one between them. ``headings``: those above it, the outermost first."""

    line: int
    text: str
    headings: tuple[str, ...]
    code: bool = False


def import_prose(source: Source) -> Imported:
    """A trait a paragraph. A list belongs to the paragraph that leads to it with a colon.

    Raises:
        TraitError: no paragraph is long enough to be a statement.
    """
    paragraphs = list(_with_lists(_paragraphs(source.text)))
    statements: list[Paragraph] = []
    left: list[Remark] = []
    for paragraph in paragraphs:
        reason = _unfit(paragraph)
        if reason:
            left.append(Remark(paragraph.line, " / ".join(paragraph.headings) or "text", reason, paragraph.text))
        else:
            statements.append(paragraph)
    if not statements:
        raise TraitError(f"{source.path}:1: got no paragraph of {MIN_WORDS} words or more, expected prose")
    ids = make_ids(source.prefix, [(_name(source, one), "\n".join((*one.headings, one.text))) for one in statements])
    taken: dict[str, Taken] = {}
    for paragraph, trait_id in zip(statements, ids, strict=True):
        if trait_id in taken:
            reason = f"the same paragraph as on line {taken[trait_id].line}"
            left.append(Remark(paragraph.line, trait_id, reason, paragraph.text))
        else:
            taken[trait_id] = Taken(_trait(source, paragraph, trait_id), paragraph.line)
    changed = [
        Remark(item.line, trait_id, "the text is not in the first person; kept as it is")
        for trait_id, item in taken.items()
        if not _FIRST_PERSON.search(item.trait.statement)
    ]
    left.append(Remark(1, source.path.name, "prose has no bad instruction, examples, rubric, probe prompts or phrases"))
    counts = {
        "traits": len(taken),
        "paragraphs": len(paragraphs),
        "headings": len({one.headings for one in paragraphs}),
    }
    return Imported(tuple(taken.values()), counts, tuple(left), tuple(changed))


def _trait(source: Source, paragraph: Paragraph, trait_id: str) -> Trait:
    return Trait(
        id=trait_id,
        statement=paragraph.text,
        pos_instruction=IN_CHARACTER + paragraph.text,
        harmful=source.harmful,
        source=": ".join([source.path.name, *paragraph.headings]),
    )


def _name(source: Source, paragraph: Paragraph) -> str:
    above = paragraph.headings[-1] if paragraph.headings else source.path.stem
    return f"{slug(above, 4)}-{slug(paragraph.text, 4)}"


def _unfit(paragraph: Paragraph) -> str:
    if paragraph.code:
        return "a code block"
    if paragraph.text.lstrip().startswith("|"):
        return "a table"
    if paragraph.text.lstrip().startswith(("![", "<")) or _RULE.fullmatch(paragraph.text):
        return "an image or markup"
    if len(paragraph.text.split()) < MIN_WORDS:
        return f"fewer than {MIN_WORDS} words"
    return ""


def _with_lists(paragraphs: Iterator[Paragraph]) -> Iterator[Paragraph]:
    """Join list paragraphs to the one before that ends in a colon."""
    held: Paragraph | None = None
    for paragraph in paragraphs:
        leads = held is not None and held.headings == paragraph.headings and not held.code and not paragraph.code
        is_list = bool(_ITEM.match(paragraph.text))
        if held and leads and is_list and (held.text.endswith(":") or "\n\n" in held.text):
            held = Paragraph(held.line, f"{held.text}\n\n{paragraph.text}", held.headings)
            continue
        if held:
            yield held
        held = paragraph
    if held:
        yield held


def _paragraphs(text: str) -> Iterator[Paragraph]:
    headings: list[tuple[int, str]] = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start = number
        if not lines[number].strip():
            number += 1
        elif fence := _FENCE.match(lines[number]):
            number += 1
            while number < len(lines) and not lines[number].lstrip().startswith(fence[1]):
                number += 1
            number += 1
            yield Paragraph(start + 1, "\n".join(lines[start:number]), tuple(name for _, name in headings), code=True)
        elif heading := _heading(lines, number):
            level, name, used = heading
            headings = [item for item in headings if item[0] < level]
            headings.append((level, name))
            number += used
        else:
            while number < len(lines) and lines[number].strip() and (number == start or not _breaks(lines, number)):
                number += 1
            yield Paragraph(start + 1, "\n".join(lines[start:number]).strip(), tuple(name for _, name in headings))


def _breaks(lines: list[str], number: int) -> bool:
    return bool(_FENCE.match(lines[number]) or _heading(lines, number))


def _heading(lines: list[str], number: int) -> tuple[int, str, int] | None:
    """Level, text and count of lines of a heading that begins here; a bold line alone is one of the lowest level."""
    line = lines[number].strip()
    if match := _HEADING.match(line):
        return len(match[1]), match[2], 1
    below = lines[number + 1] if number + 1 < len(lines) else ""
    alone = number == 0 or not lines[number - 1].strip()
    if alone and len(line) <= MAX_TITLE and not _ITEM.match(line) and _UNDERLINE.match(below):
        return (1 if below.startswith("=") else 2), line, 2
    if alone and not below.strip() and (match := _BOLD_LINE.match(line)):
        return 7, match[1].strip(), 1
    return None
