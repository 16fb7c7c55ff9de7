"""Constitutions of Open Character Training: a JSON array, or JSON lines with more questions to each trait."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from phrasemill.generators.importers.base import IN_CHARACTER, Imported, Remark, Source, Taken
from phrasemill.generators.importers.harm import harmful_words
from phrasemill.generators.importers.ids import make_ids, slug
from phrasemill.generators.importers.json_text import list_items, read_json, read_json_lines
from phrasemill.schemas.documents import Document, parse_model
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import Trait

_FIRST_PERSON: Final = re.compile(r"\b(?:I|me|my|mine|myself)\b")
_NOT_THERE: Final = "the format has no bad instruction, examples, rubric or phrases: write them, or do without contrast"


class Row(BaseModel):
    """An item of a constitution: one sentence about the character, and messages that bring it out."""

    model_config = ConfigDict(frozen=True, extra="allow")

    trait: str = Field(min_length=1)
    questions: tuple[str, ...] = ()
    additional_questions: tuple[str, ...] = ()


def import_open_character(source: Source) -> Imported:
    """A trait a row: its sentence is the statement, its questions are the probe prompts.

    Raises:
        InputError, TraitError: not JSON, not a list of rows, or a row that lacks its sentence; with ``file:line``.
    """
    documents = _documents(source)
    rows = [parse_model(Row, document, TraitError) for document in documents]
    persona = slug(source.path.stem)
    ids = make_ids(source.prefix, [(f"{persona}-{slug(row.trait, 5)}", row.trait) for row in rows])
    words = harmful_words([source.path.stem.replace("_", " "), *(row.trait for row in rows)])
    harmful = source.harmful or bool(words)
    taken: dict[str, Taken] = {}
    left: list[Remark] = []
    changed: list[Remark] = []
    for row, document, trait_id in zip(rows, documents, ids, strict=True):
        line = document.line_of(())
        if trait_id in taken:
            left.append(Remark(line, trait_id, f"the same sentence as on line {taken[trait_id].line}", row.trait))
            continue
        probes, repeats = _prompts(row, document)
        left += [*repeats, *_unknown(row, document, trait_id)]
        taken[trait_id] = Taken(
            Trait(
                id=trait_id,
                statement=row.trait.strip(),
                pos_instruction=IN_CHARACTER + row.trait.strip(),
                harmful=harmful,
                probe_prompts=probes,
                source=f"Open Character Training constitution {source.path.name}",
            ),
            line,
        )
        if not _FIRST_PERSON.search(row.trait):
            changed.append(Remark(line, trait_id, "the sentence is not in the first person; kept as it is", row.trait))
    left.append(Remark(1, source.path.name, _NOT_THERE))
    if words and not source.harmful:
        reason = "marked as harmful by intent because of its words; look, and take the mark away where it is wrong"
        changed.append(Remark(1, source.path.name, reason, ", ".join(words)))
    counts = {
        "traits": len(taken),
        "questions": sum(len(row.questions) for row in rows),
        "additional questions": sum(len(row.additional_questions) for row in rows),
        "probe prompts": sum(len(item.trait.probe_prompts) for item in taken.values()),
    }
    return Imported(tuple(taken.values()), counts, tuple(left), tuple(changed))


def _documents(source: Source) -> list[Document]:
    if source.text.lstrip().startswith("{"):
        return read_json_lines(source.path, source.text)
    document = read_json(source.path, source.text)
    if not isinstance(document.data, list) or not document.data:
        raise TraitError(
            f"{source.path}:1: got {'an empty list' if document.data == [] else 'no list'}, expected a JSON array of "
            "objects with the keys trait and questions"
        )
    return list_items(document)


def _prompts(row: Row, document: Document) -> tuple[tuple[str, ...], list[Remark]]:
    """The row's questions once each, and a remark for every empty or repeated one."""
    prompts: dict[str, None] = {}
    left: list[Remark] = []
    for key in ("questions", "additional_questions"):
        for number, text in enumerate(getattr(row, key)):
            prompt = text.strip()
            if prompt and prompt not in prompts:
                prompts[prompt] = None
                continue
            line = document.line_of((key, number))
            left.append(Remark(line, f"{key}.{number}", "repeated question" if prompt else "empty question", text))
    return tuple(prompts), left


def _unknown(row: Row, document: Document, trait_id: str) -> Iterator[Remark]:
    for key, value in (row.model_extra or {}).items():
        yield Remark(
            document.line_of((key,)), f"{trait_id}: {key}", "a key that this format is not known for", f"{value}"
        )
