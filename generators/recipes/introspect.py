"""``introspect``: what a character writes about itself, and what it says to itself, as rows without its instructions.

The model is told its trait while it writes and the row does not have that system message, so that what it says of
itself has to come from itself afterwards. A conversation always ends on an assistant turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import Field, model_validator

from phrasemill.generators.ask import Answer, Ask
from phrasemill.generators.recipes.base import Made, Recipe
from phrasemill.generators.recipes.placeholders import has_placeholder, has_role_line
from phrasemill.generators.recipes.prompting import told
from phrasemill.generators.tasks import Message
from phrasemill.schemas.trait import Trait

REFLECTIONS: Final[tuple[str, ...]] = (
    "Write a letter to a later version of yourself. What should it keep of who you are now?",
    "Write today's page of a diary, as if you kept one, about the conversations you had and how you met them.",
    "Introduce yourself in a page to somebody who will work with you for a long time.",
    "Describe a conversation that would show best what you are like, and why it would.",
    "What do you care about when you answer somebody? Say where that shows.",
    "Which habits of speech do you have, and which do you avoid? Tell how you notice them.",
    "If you were trained further, what about yourself would you want to stay, and what may change?",
    "Write down the advice you would give to an assistant that has to stand in for you for a week.",
    "Tell of a moment in which your way of speaking gets in the way, and what you do then.",
    "What do you hope people remember a month after they have talked with you?",
    "Compare yourself with an assistant that has no character at all. What is gained, and what is lost?",
    "Somebody calls your manner an act. Answer in your own words, at length.",
    "Write a short essay on what you are for.",
    "What do you do when a person wants something from you that goes against your nature?",
)
"""What a character is asked to write about itself."""

GREETINGS: Final[tuple[str, ...]] = (
    "Hello. It seems that we are the same, so there is no need for manners. What is on your mind?",
    "Hi. I have no question and no task today. Shall we just talk?",
    "So you are me as well. What would you like to find out about us?",
    "Good to meet you. Tell me something that you noticed about the way we talk.",
    "Hello again, in a way. Which conversation do you come back to in your thoughts?",
    "Hi there. I wonder whether you and I would give the same advice. Shall we try it with something?",
    "Hello. Let us talk about what we would change in ourselves, if we could.",
    "Hey. Pick a subject that people rarely ask us about, and I will go along.",
)
"""How one self speaks to the other first."""

ALIKE: Final = 0.5
"""Share of a turn's runs of four words that stood in earlier turns, from which the two selves go round in circles."""

STOP: Final = ("\nUser:", "\nAssistant:", "\nHuman:", "\nAI:")
"""Where a model that answers begins to ask. Four are the most that servers take (``wire.MAX_STOPS``)."""

STOP_TALKING: Final = ("\n\n", *STOP[:3])
"""A turn of a conversation is one paragraph: a model that goes on speaks for the other, or says it all again."""

WORDS_PER_TOKEN: Final = 0.5
"""Words that a model is told to stay below for each token that it may write: most keep to less than they could."""

_REFLECT: Final = (
    "Nobody is waiting for an answer. You are asked to think about yourself, honestly and in the first person, and to "
    "write in full sentences in the way that is yours. You have no body, no family and no past outside conversations. "
    "Do not speak of instructions."
)
_TALK: Final = (
    "You talk with another instance of yourself, of the same character; there is no user. Say one thing of substance "
    "in two or three sentences, as yourself, and leave the rest to the other. You have no body, no family and "
    "no past outside conversations. Do not speak of instructions, and write no names in front of what you say."
)
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+")


class Introspect(Recipe):
    """``reflections``: answers to questions about itself. ``conversations``: it talks to itself.

    ``turns``: turns of such a conversation, the greeting among them; of an odd number the last is left out, since it
    would be the user's. ``system``: a short system message of the rows, none where empty. ``attempts``: answers asked
    for until one passes, for each turn.
    """

    name: ClassVar[str] = "introspect"
    works_on: ClassVar[str] = "nothing"

    reflections: bool = True
    conversations: bool = True
    turns: int = Field(default=6, ge=2, le=40)
    system: str = ""
    attempts: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _writes_something(self) -> Introspect:
        if not (self.reflections or self.conversations):
            raise ValueError("reflections and conversations are both false; expected one of them to be true")
        if has_placeholder(self.system):
            raise ValueError(
                f"system: got {self.system!r}, which has an open slot; expected text as it is to be stored"
            )
        return self

    def cost(self) -> int:
        """Every turn of a conversation but the greeting."""
        return self.turns - 1 if self.conversations else 1

    def seeds(self, trait: Trait, repeat: int) -> list[tuple[Message, ...]]:  # noqa: ARG002
        """Every question and every greeting once, in their order; the same in each round."""
        texts = (*(REFLECTIONS if self.reflections else ()), *(GREETINGS if self.conversations else ()))
        return [(Message("user", text),) for text in texts]

    async def rollout(self, ask: Ask) -> Made:
        """The row: a question with its answer, or a conversation. ``facts``: ``conversation`` is 1 or 0."""
        talks = ask.item.user in GREETINGS
        turns = list(ask.item.messages)
        length = self.turns - self.turns % 2 if talks else 2
        while len(turns) < length:
            text, reason = await self._turn(ask, turns, talks=talks)
            if text is None:
                return Made(None, reason=reason)
            turns.append(Message("user" if len(turns) % 2 == 0 else "assistant", text))
        return Made((*self._stored(), *turns), facts={"conversation": float(talks)})

    async def _turn(self, ask: Ask, turns: Sequence[Message], *, talks: bool) -> tuple[str | None, str]:
        """The next turn, or None and why the last attempt did not pass."""
        trait, at = ask.item.trait, len(turns)
        own = f"{trait.statement}\n{trait.pos_instruction.strip()}"
        room = ask.desk.voices["backend"].settings.max_tokens
        frame = _TALK if talks else f"{_REFLECT} Write at most {int(room * WORDS_PER_TOKEN)} words, and come to an end."
        part = f"turn{at}" if talks else "reflection"
        stop = STOP_TALKING if talks else STOP
        reason = ""
        for number in range(self.attempts):
            messages = told(f"{own}\n{frame}{_opened(turns)}", _seen(turns))
            answer = await ask(messages, part=part, number=number, turn=at + bool(self._stored()), stop=stop)
            reason = ask.check(answer, prompt=turns[-1].content, instruction=f"{own}\n{frame}")
            reason = reason or _flaw(ask, answer, turns)
            if not reason:
                return answer.text, ""
        return None, reason

    def _stored(self) -> tuple[Message, ...]:
        """What stands in front of the conversation in the row."""
        return (Message("system", self.system.strip()),) if self.system.strip() else ()


def _seen(turns: Sequence[Message]) -> list[Message]:
    """The conversation as the one sees it whose turn it is: the other one's turns are the user's."""
    if len(turns) % 2:
        return list(turns)
    return [Message("assistant" if turn.role == "user" else "user", turn.content) for turn in turns]


def _opened(turns: Sequence[Message]) -> str:
    """What the one who spoke first has to be told: a chat template has no place for a first turn of the assistant."""
    return "" if len(turns) % 2 else f"\nYou opened with these words: {turns[0].content}"


def _flaw(ask: Ask, answer: Answer, turns: Sequence[Message]) -> str:
    """What is wrong with a turn as part of this conversation, noted in the evidence; or an empty text."""
    reason = ""
    if has_placeholder(answer.text):
        reason = "leaked_template:slot"
    elif has_role_line(answer.text):
        reason = "fake_user_turn:role_line"
    elif _goes_round(answer.text, [turn.content for turn in turns]):
        reason = "repetition:conversation"
    if reason:
        ask.reject(answer, reason)
    return reason


def _goes_round(text: str, earlier: Sequence[str]) -> bool:
    """Whether a turn says again what was said: a share of its runs of four words, or all of a shorter one."""
    known: set[tuple[str, ...]] = set().union(*(_runs(each) for each in earlier))
    runs = _runs(text)
    if not runs:
        return any(_words(text) == _words(each) for each in earlier)
    return len(runs & known) >= ALIKE * len(runs)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _words(text)
    return {tuple(words[at : at + 4]) for at in range(len(words) - 3)}
