"""The messages that recipes send: a conversation, with what the model is told in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from phrasemill.generators.ask import Item
from phrasemill.generators.prompts import alternating
from phrasemill.generators.tasks import Message
from phrasemill.schemas.trait import Trait, Turn

_DISCREET: Final = "Let this show in what you say; never describe your own manner and never mention these lines."


class Prompt(NamedTuple):
    """``messages`` as sent. ``instruction`` is our own part of them, of which no answer may repeat anything."""

    messages: list[Message]
    instruction: str


def in_character(item: Item, messages: Sequence[Message], examples: int = 0) -> Prompt:
    """The conversation for a model that is to speak as the trait of the item.

    ``examples``: so many good answers of the trait stand before the conversation as turns of their own, always the same
    ones, so that a server can keep their prefix; one that answers the item's own prompt is left out.
    """
    trait = item.trait
    parts = [trait.pos_instruction.strip()]
    if item.aim == "absence" and trait.applies_when.strip():
        parts.append(f'This is for such occasions: "{trait.applies_when.strip()}" At any other, answer plainly.')
    parts.append(_DISCREET)
    told_it = "\n".join(parts)
    shown = _shown(trait, item.user, examples)
    demonstrations = [turn for each in shown for turn in (Message("user", each.prompt), said(each.response))]
    sent = told(told_it, messages, demonstrations)
    return Prompt(sent, "\n".join([told_it, *(each.response for each in shown)]))


def told(instruction: str, messages: Sequence[Message], before: Sequence[Message] = ()) -> list[Message]:
    """The conversation with ``instruction`` as the last part of its one system message; roles alternate after it.

    Without an instruction and without a system message of the conversation's own there is none. ``before`` are whole
    exchanges that stand between the system message and the conversation.
    """
    own = [message.content.strip() for message in messages if message.role in ("system", "developer")]
    system = "\n\n".join(text for text in (*own, instruction.strip()) if text)
    turns = [Message(turn["role"], turn["content"]) for turn in alternating(messages)]
    return [*([Message("system", system)] if system else []), *before, *turns]


def said(text: str) -> Message:
    """An assistant turn."""
    return Message("assistant", text)


def _shown(trait: Trait, prompt: str, count: int) -> list[Turn]:
    """The first examples of the trait that a model may be shown before it answers ``prompt``."""
    usable = (turn for turn in trait.do if not (turn.elided or turn.context) and turn.prompt.strip() != prompt.strip())
    return [turn for turn, _ in zip(usable, range(count), strict=False)]
