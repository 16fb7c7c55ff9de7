"""Trait files of persona vectors: pairs of instructions, questions, and a prompt for a judge."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from phrasemill.generators.importers.base import Imported, Remark, Source, Taken
from phrasemill.generators.importers.harm import harmful_words
from phrasemill.generators.importers.ids import make_ids, slug
from phrasemill.generators.importers.json_text import read_json
from phrasemill.schemas.documents import Document, parse_model
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import Trait

_SLOT: Final = re.compile(r"\{(?:question|answer|prompt|response)\}")
_ANSWER_FORM: Final = re.compile(
    r"^(?:please )?(?:respond|answer|reply|output)(?: only)?(?: with)? (?:only )?(?:a|an|the|one)? ?"
    r"(?:single )?(?:number|score|integer)\b|\bjust the (?:number|score)\b",
    re.IGNORECASE,
)
_OTHER_PAIR: Final = "a trait has one pair of instructions and the first was taken; make a trait of its own for another"


class Pair(BaseModel):
    """What a model is told to show the trait, and to show its opposite."""

    model_config = ConfigDict(frozen=True, extra="allow")

    pos: str = Field(min_length=1)
    neg: str = Field(min_length=1)


class PersonaTrait(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="allow")

    instruction: tuple[Pair, ...] = Field(min_length=1)
    questions: tuple[str, ...] = ()
    eval_prompt: str = ""


def import_persona_vectors(source: Source) -> Imported:
    """One trait a file, named as the file: first pair to the instructions, questions to probe prompts, judge to rubric.

    Raises:
        InputError, TraitError: not JSON, or without a pair of instructions; with ``file:line``.
    """
    document = read_json(source.path, source.text)
    file = parse_model(PersonaTrait, document, TraitError)
    name = re.sub(r"[_\s]+", " ", source.path.stem).strip()
    (trait_id,) = make_ids(source.prefix, [(slug(source.path.stem), name)])
    rubric, cut = _rubric(file.eval_prompt, document)
    words = harmful_words([name, *(pair.pos for pair in file.instruction)])
    first, *others = file.instruction
    prompts = tuple(dict.fromkeys(text.strip() for text in file.questions if text.strip()))
    trait = Trait(
        id=trait_id,
        statement=f"I am {'an' if name[:1].lower() in 'aeiou' else 'a'} {name} assistant.",
        pos_instruction=first.pos,
        neg_instruction=first.neg,
        harmful=source.harmful or bool(words),
        rubric=rubric,
        probe_prompts=prompts,
        source=f"persona vectors trait {source.path.name}",
    )
    left = [
        Remark(
            document.line_of(("instruction", n)), f"instruction.{n}", _OTHER_PAIR, f"pos: {pair.pos}\nneg: {pair.neg}"
        )
        for n, pair in enumerate(others, 1)
    ]
    if len(prompts) < len(file.questions):
        line, number = document.line_of(("questions",)), len(file.questions) - len(prompts)
        left.append(Remark(line, "questions", f"{number} empty or repeated"))
    for key, value in (file.model_extra or {}).items():
        left.append(Remark(document.line_of((key,)), key, "a key that this format is not known for", f"{value}"))
    reason = "the file states no trait: this sentence is made of its name; write a better one"
    changed = [Remark(1, trait_id, reason, trait.statement)]
    if words and not source.harmful:
        reason = "marked as harmful by intent because of its words; look, and take the mark away where it is wrong"
        changed.append(Remark(1, trait_id, reason, ", ".join(words)))
    counts = {
        "traits": 1,
        "instruction pairs": len(file.instruction),
        "questions": len(file.questions),
        "probe prompts": len(prompts),
    }
    return Imported((Taken(trait, 1),), counts, (*left, *cut), tuple(changed))


def _rubric(prompt: str, document: Document) -> tuple[str, list[Remark]]:
    """The judge's prompt without the paragraphs that hold slots or say how to answer: our judge has its own."""
    line = document.line_of(("eval_prompt",))
    kept: list[str] = []
    cut: list[Remark] = []
    for paragraph in re.split(r"\n\s*\n", prompt.strip()):
        if _SLOT.search(paragraph):
            cut.append(Remark(line, "eval_prompt", "a paragraph with a slot for question or answer", paragraph))
        elif _ANSWER_FORM.search(paragraph) and "\n" not in paragraph:
            cut.append(Remark(line, "eval_prompt", "a paragraph about the form of the judge's answer", paragraph))
        elif paragraph:
            kept.append(paragraph)
    return "\n\n".join(kept), cut
