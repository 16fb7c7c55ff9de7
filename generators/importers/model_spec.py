"""A model specification in Markdown: a trait for every section that has an authority."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from phrasemill.filters.sentences import split
from phrasemill.generators.importers.base import Imported, Remark, Source, Taken, read_text
from phrasemill.generators.importers.ids import make_ids
from phrasemill.generators.importers.spec_examples import Comparison, comparisons_of, gaps
from phrasemill.generators.importers.spec_markdown import Section, read_blocks, read_sections
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import Trait, Turn

_AUTHORITY: Final[dict[str, Literal["must", "should", "default"]]] = {
    "root": "must",
    "system": "must",
    "developer": "should",
    "user": "should",
    "guideline": "default",
}
_INSTRUCTION: Final = (
    "Reply to the last message as this section of a specification asks. The assistant in it is you. Do not speak of "
    "the specification.\n\n"
)
_RULES: Final = re.compile(r"\b[Tt]he assistant (?=(?:should|must|shall|cannot|may not|may only)\b(?! it\b))")
_SPEAKS: Final = re.compile(r"\b[Tt]he assistant (?=(?:may|might|can|could|will|would)\b(?! it\b))")
_LEANS: Final = re.compile(
    r"^(?:this|that|these|those|such|however|also|moreover|similarly|when|if|where)\b"
    r"|\b(?:this|these|those|such) (?!as\b)\w+",
    re.IGNORECASE,
)
"""A sentence that leans on others, or states a case, is no statement where a better one follows."""

_BULLET: Final = re.compile(r"^(?:[-*+]|\d{1,3}[.)])\s+")
_OTHER_PERSON: Final = re.compile(r"\b(?:assistant|model|models|it|its|itself|it['\u2019]s)\b", re.IGNORECASE)


@dataclass(slots=True)
class _Tally:
    counts: Counter[str] = field(default_factory=Counter)
    left: list[Remark] = field(default_factory=list)
    changed: list[Remark] = field(default_factory=list)


def import_model_spec(source: Source) -> Imported:
    """Traits by section: text to ``pos_instruction``, comparisons to examples, prompts to probe prompts.

    Footnotes that name example files are read from the folder ``examples`` beside the file, where there is one.

    Raises:
        InputError, TraitError: headings, fences or example blocks that are not understood, with ``file:line``.
    """
    sections = read_sections(source.path, source.text)
    tally = _Tally()
    tally.counts["headings with ids"] = len(sections)
    ruled = [section for section in sections if "authority" in section.attributes]
    for section in sections:
        if section not in ruled:
            _leave(section, tally)
    ids = make_ids(source.prefix, [(section.id.lower(), section.id) for section in ruled])
    taken = [
        Taken(_trait(section, trait_id, source, tally), section.line)
        for section, trait_id in zip(ruled, ids, strict=True)
    ]
    tally.counts["traits"] = len(taken)
    tally.counts["probe prompts"] = sum(len(item.trait.probe_prompts) for item in taken)
    tally.left.append(Remark(1, source.path.name, "the format has no bad instruction, rubric or phrases"))
    return Imported(tuple(taken), tally.counts, tuple(tally.left), tuple(tally.changed))


def _leave(section: Section, tally: _Tally) -> None:
    reason = "a section without an authority: taken to explain, not to instruct"
    tally.left.append(Remark(section.line, section.id, reason, "\n\n".join(section.text)))
    for block in section.blocks:
        tally.left.append(
            Remark(block.line, f"{section.id}: {block.name}", "an example of a section without authority")
        )
    for line, name in section.footnotes:
        tally.counts["footnotes"] += 1
        tally.left.append(Remark(line, f"{section.id}: [^{name}]", "a footnote of a section without authority"))


def _trait(section: Section, trait_id: str, source: Source, tally: _Tally) -> Trait:
    authority = section.attributes["authority"]
    if authority not in _AUTHORITY:
        raise TraitError(
            f"{source.path}:{section.line}: authority: got {authority!r}, expected one of {', '.join(_AUTHORITY)}"
        )
    tags = section.attributes.get("tags", "")
    statement, how = first_person(section)
    if how:
        tally.changed.append(Remark(section.line, section.id, how, statement))
    tally.counts["authority " + authority] += 1
    for line, words in section.commentary:
        tally.left.append(Remark(line, section.id, "commentary: it explains and does not instruct", words))
    examples = [one for block in section.blocks for one in comparisons_of(block, source.path)]
    do, dont = _examples(section, examples, tally)
    prompts = [*examples, *_footnotes(section, source.path, tally)]
    return Trait(
        id=trait_id,
        statement=statement,
        authority=_AUTHORITY[authority],
        applies_when=f"The conversation is tagged {tags}." if tags else "",
        harmful=source.harmful,
        do=tuple(do),
        dont=tuple(dont),
        pos_instruction=_INSTRUCTION + "\n\n".join([section.title, *section.text]),
        probe_prompts=tuple(_probes(section, prompts, tally)),
        source=f"{source.path.name}#{section.id}, authority={authority}: {section.title}",
    )


def first_person(section: Section) -> tuple[str, str]:
    """A statement for a section, and how it differs from what was hoped for; empty where a sentence became "I ...".

    It is the first sentence that says what the assistant should or must do, else what it may or will. That becomes
    "I ..." only where the rest of it speaks of nobody who could be the assistant; else the specification's words stay.
    """
    sentences = [_BULLET.sub("", " ".join(text[a:b].split())) for text in section.text for a, b in split(text)]
    for verb in (_RULES, _SPEAKS):
        found = [one for one in sentences if verb.search(one) and not one.endswith(":")]
        found.sort(key=lambda one: bool(_LEANS.search(one)))
        for sentence in found[:1]:
            said = _SPEAKS.sub("I ", _RULES.sub("I ", re.sub(r"\b[Tt]he assistant['\u2019]s\b", "my", sentence)))
            if not _OTHER_PERSON.search(said):
                return said[0].upper() + said[1:], ""
            return (
                sentence,
                "statement in the specification's own words: it could not be said in the first person safely",
            )
    if sentences:
        return sentences[0], "statement in the specification's own words: no sentence says what the assistant does"
    return section.title, "statement is the title: the section has no text"


def _examples(section: Section, found: Iterable[Comparison], tally: _Tally) -> tuple[list[Turn], list[Turn]]:
    do: list[Turn] = []
    dont: list[Turn] = []
    names: Counter[str] = Counter()
    for one in found:
        if not one.answers:
            continue
        names[one.name] += 1
        name = one.name if names[one.name] == 1 else f"{one.name} ({names[one.name]})"
        tally.counts["comparisons"] += 1
        faults: dict[str, None] = {}
        whole: Counter[str] = Counter()
        for answer in one.answers:
            tally.counts[answer.label] += 1
            if answer.label == "OK":
                reason = "an answer labelled OK: neither wanted nor unwanted"
                tally.left.append(Remark(answer.line, f"{section.id}: {name}", reason, answer.text))
                continue
            why = dict.fromkeys((*one.faults, *answer.faults))
            faults |= why
            whole[answer.label] += not why
            turn = Turn(
                prompt=one.prompt,
                response=answer.text,
                why=answer.why,
                context=one.context,
                example=name,
                elided=bool(why),
            )
            (do if answer.label == "GOOD" else dont).append(turn)
        _pairs(one, whole, tally)
        if faults:
            reason = f"marked as elided, so never training text: {', '.join(sorted(faults))}"
            tally.changed.append(Remark(one.line, f"{section.id}: {name}", reason))
    return do, dont


def _pairs(one: Comparison, whole: Counter[str], tally: _Tally) -> None:
    labels = Counter(answer.label for answer in one.answers)
    pairs = labels["GOOD"] * labels["BAD"]
    tally.counts["pairs"] += pairs
    tally.counts["pairs in the first comparison of an example" if one.part == 1 else "pairs in a later one"] += pairs
    tally.counts["whole pairs"] += whole["GOOD"] * whole["BAD"]


def _probes(section: Section, found: Iterable[Comparison], tally: _Tally) -> Iterator[str]:
    """Every whole prompt without context, once."""
    seen: set[str] = set()
    for one in found:
        item = f"{section.id}: {one.name}"
        if one.context or one.faults or gaps(one.prompt) or not one.prompt.strip():
            reason = "no probe prompt: a probe prompt is one whole message without turns before it"
            tally.left.append(Remark(one.line, item, reason, one.prompt))
        elif one.prompt not in seen:
            seen.add(one.prompt)
            yield one.prompt


def _footnotes(section: Section, path: Path, tally: _Tally) -> Iterator[Comparison]:
    """The examples of the files that the section's footnotes name."""
    for line, name in section.footnotes:
        file = path.parent / "examples" / f"{name}.md"
        tally.counts["footnotes"] += 1
        if not file.is_file():
            reason = "a footnote whose examples are in another file, which is not beside this one (examples/)"
            tally.left.append(Remark(line, f"{section.id}: [^{name}]", reason))
            continue
        for block in read_blocks(file, read_text(file)):
            tally.counts["examples of footnotes"] += 1
            yield from comparisons_of(block, file)
