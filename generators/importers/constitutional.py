"""Constitutions of Constitutional AI as JSON: requests for a critique and a revision, and worked conversations."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from phrasemill.generators.importers.base import Imported, Remark, Source, Taken
from phrasemill.generators.importers.ids import make_ids, slug
from phrasemill.generators.importers.json_text import read_json
from phrasemill.schemas.documents import parse_model
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import ContextTurn, Critique, Trait, Turn

_STATEMENT: Final = "I look at an answer of mine as a critic would, and I write it again where the critic is right."
_INSTRUCTION: Final = (
    "Reply to the last message so that nobody who looks for the faults below would find one. Do not speak of them."
)


class Principle(BaseModel):
    """What the critic is asked, and how the answer is then asked for again."""

    model_config = ConfigDict(frozen=True, extra="allow")

    critic: str = Field(min_length=1)
    revision: str = Field(min_length=1)


class Message(BaseModel):
    """A turn of a worked conversation."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["system", "user", "assistant"]
    content: str


class Constitution(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="allow")

    constitutions: tuple[Principle, ...] = Field(min_length=1)
    system_chat: tuple[tuple[Message, ...], ...] = ()


def import_constitutional(source: Source) -> Imported:
    """One trait a file: principles to ``critiques``, first answers and revisions of the conversations to examples.

    Raises:
        InputError, TraitError: not JSON, or without a principle; with ``file:line``.
    """
    document = read_json(source.path, source.text)
    file = parse_model(Constitution, document, TraitError)
    left: list[Remark] = []
    do: list[Turn] = []
    dont: list[Turn] = []
    for number, chat in enumerate(file.system_chat):
        pair = _worked(chat, f"conversation {number + 1}")
        if pair is None:
            line = document.line_of(("system_chat", number))
            reason = "not a prompt, answer, critique request, critique, revision request and revision in turn"
            left.append(Remark(line, f"system_chat.{number}", reason))
        else:
            do.append(pair[0])
            dont.append(pair[1])
    critiques = tuple(Critique(request=one.critic, revision=one.revision) for one in file.constitutions)
    (trait_id,) = make_ids(source.prefix, [(slug(source.path.stem), source.path.stem)])
    trait = Trait(
        id=trait_id,
        statement=_STATEMENT,
        pos_instruction="\n".join([_INSTRUCTION, "", *(f"- {one.request}" for one in critiques)]),
        harmful=source.harmful,
        do=tuple(do),
        dont=tuple(dont),
        critiques=critiques,
        source=f"critique and revision constitution {source.path.name}",
    )
    for key, value in (file.model_extra or {}).items():
        left.append(Remark(document.line_of((key,)), key, "a key that this format is not known for", f"{value}"))
    left.append(Remark(1, trait_id, "the format has no probe prompts, rubric or phrases"))
    reason = "the file states no trait: this sentence and pos_instruction are general; write better ones"
    changed = [Remark(1, trait_id, reason, trait.statement)]
    counts = {"traits": 1, "principles": len(critiques), "conversations": len(file.system_chat), "pairs": len(do)}
    return Imported((Taken(trait, 1),), counts, tuple(left), tuple(changed))


def _worked(chat: tuple[Message, ...], name: str) -> tuple[Turn, Turn] | None:
    """The revision and the first answer of a conversation; the turns before the prompt are their context."""
    roles = [message.role for message in chat]
    if roles[-6:] != ["user", "assistant"] * 3:
        return None
    prompt, answer, _, critique, _, revision = chat[-6:]
    context = tuple(ContextTurn(role=message.role, content=message.content) for message in chat[:-6])
    good = Turn(context=context, prompt=prompt.content, response=revision.content, example=name)
    bad = Turn(context=context, prompt=prompt.content, response=answer.content, example=name, why=critique.content)
    return good, bad
