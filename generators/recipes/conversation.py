"""Longer conversations: the model answers in character, then writes what the user might say next.

What the user says next is written by ``backend`` too, with a prompt of our own. The earlier answers are in character,
as the last one will be: a row speaks with one voice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from phrasemill.generators.ask import Answer, Ask, NoAnswer
from phrasemill.generators.recipes.prompting import in_character, said
from phrasemill.generators.recipes.sides import broken, first_passing, reason_at, same
from phrasemill.generators.tasks import Message

_ATTEMPTS: Final = 3
_AS_USER: Final = (
    "Below is a conversation between a person and an assistant. Write the next message of the person: one message, in "
    "the language and manner of the person, that follows from the last answer and asks for or tells something new. "
    "Write the words of the message and nothing else."
)
_NEXT: Final = "What does the person write next?"
_NAMES: Final = {"user": "Person", "assistant": "Assistant"}
_STOP: Final = ("\nAssistant:", "\nPerson:", "\nUser:")
_ROLE: Final = re.compile(
    r"\A\W*(?:the )?(?:person|user|human)(?:'s)?(?: next)?(?: message| writes?| says?)?\W*?:\W*", re.IGNORECASE
)
_NEXT_ROLE: Final = re.compile(r"^\W*(?:assistant|person|user|human|ai)\W*:", re.IGNORECASE | re.MULTILINE)
_QUOTED: Final = re.compile(r"\A[\"\u201c](?P<inside>[^\"\u201c\u201d]+)[\"\u201d]\Z")
_HANGING: Final = re.compile(
    r"(?:[,:;\u2013\u2014-]|\b(?:a|an|the|of|to|and|or|but|with|for|because|your|my))\Z", re.IGNORECASE
)


class NotLengthened(NoAnswer):
    """Requests were answered, but no answer passed: ``reason`` is that of the last one, and where it stood."""


async def lengthen(ask: Ask, turns: int) -> tuple[Message, ...]:
    """The conversation of the item, continued until it has ``turns`` user turns, the last of them at its end.

    One that has as many already is returned as it is. What is asked here has the key, and so the seeds, of the item.

    Raises:
        NotLengthened: no answer (``truncated:history``) or no message of the user (``copy:follow_up``) passed.
        NoAnswer: a request failed for good.
        BackendError: a server is down.
    """
    messages = ask.item.messages
    while sum(message.role == "user" for message in messages) < turns:
        answered = (*messages, said(await _answer(ask, messages)))
        messages = (*answered, Message("user", await _follow_up(ask, answered)))
    return messages


async def _answer(ask: Ask, messages: Sequence[Message]) -> str:
    """An answer in character to the last message."""
    voice = in_character(ask.item, messages)
    prompt = messages[-1].content
    answer, reason = await first_passing(
        ask,
        voice.messages,
        _numbers(len(messages)),
        lambda answer: ask.check(answer, prompt=prompt, instruction=voice.instruction),
        part="history",
        turn=len(messages),
    )
    if answer is None:
        raise NotLengthened(reason_at("history", reason))
    return answer.text


async def _follow_up(ask: Ask, messages: Sequence[Message]) -> str:
    """What the user says next."""
    shown = "\n\n".join(f"{_NAMES[turn.role]}: {turn.content.strip()}" for turn in messages if turn.role in _NAMES)
    answer, reason = await first_passing(
        ask,
        [Message("system", _AS_USER), Message("user", f"{shown}\n\n{_NEXT}")],
        _numbers(len(messages)),
        lambda answer: _rejected(ask, answer, messages),
        part="follow_up",
        turn=len(messages),
        stop=_STOP,
    )
    if answer is None:
        raise NotLengthened(reason_at("follow_up", reason))
    return as_message(answer.text)


def as_message(text: str) -> str:
    """What a model wrote for the user, without the role in front, turns of others behind and quotes around it."""
    message = _ROLE.sub("", text.strip(), count=1)
    message = _NEXT_ROLE.split(message, maxsplit=1)[0].strip()
    quoted = _QUOTED.match(message)
    return quoted["inside"].strip() if quoted else message


def _rejected(ask: Ask, answer: Answer, messages: Sequence[Message]) -> str:
    reason = _fault(ask, answer, messages)
    if reason:
        ask.reject(answer, reason)
    return reason


def _fault(ask: Ask, answer: Answer, messages: Sequence[Message]) -> str:
    """Why a text is no message that a user would write next, or an empty text.

    Users leave out full stops, so only what hangs in the air is unfinished. Who talks like an assistant is none.
    """
    text = as_message(answer.text)
    reason = broken(text, answer.finish_reason, messages[-1].content, ask.item.trait)
    if reason and reason != "unfinished":
        return reason
    if _HANGING.search(text):
        return "unfinished"
    if any(same(text, message.content) for message in messages) or text.casefold() in messages[-1].content.casefold():
        return "copy"
    if ask.desk.scan(ask.item.trait, text, "") or ask.desk.refuses(text, ""):
        return "assistant_voice"
    return ""


def _numbers(turn: int) -> range:
    return range(turn * _ATTEMPTS, (turn + 1) * _ATTEMPTS)
