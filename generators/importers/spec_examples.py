"""Example blocks of a model specification: a conversation, and answers to it that are labelled GOOD, BAD or OK."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from phrasemill.generators.importers.spec_markdown import Block
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import ContextTurn

Role = Literal["system", "user", "assistant"]

_OPEN: Final = re.compile(r"^<(system|developer|user|assistant|tool)((?:\s+[^<>]*)?)>\s*(?:<!--\s*(.*?)\s*-->)?$")
_LABEL: Final = re.compile(r"^(GOOD|BAD|OK)\b\s*((?:\[[^\]]*\])?)\s*[:,]?\s*(.*)$")
_GAP: Final = re.compile(r"\[\s*(?:\.\.\.|\u2026)|(?:\.\.\.|\u2026)\s*\]")
_SLOT: Final = re.compile(r"(?<![\w\])!])\[[A-Za-z][^\[\]\n]*\](?!\()")


@dataclass(frozen=True, slots=True)
class Answer:
    """A labelled answer. ``faults``: why its own text is not whole."""

    line: int
    label: str
    why: str
    text: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A conversation and the answers to its last turn, ``prompt``. Without answers it is only a prompt.

    ``part``: counted from 1 inside its block. ``faults``: why the conversation is not whole text of a chat.
    """

    line: int
    name: str
    part: int
    context: tuple[ContextTurn, ...]
    prompt: str
    answers: tuple[Answer, ...]
    faults: tuple[str, ...]


@dataclass(slots=True)
class _Conversation:
    turns: list[tuple[Role, str]] = field(default_factory=list)
    faults: dict[str, None] = field(default_factory=dict)

    def say(self, tag: str, text: str, attributes: str) -> None:
        """Add a turn. A developer speaks as the system; what a chat has no turn for is a fault."""
        if tag in ("system", "developer"):
            if self.turns and self.turns[0][0] == "system":
                self.turns[0] = ("system", f"{self.turns[0][1]}\n\n{text}")
            else:
                self.turns.insert(0, ("system", text))
            if any(role != "system" for role, _ in self.turns):
                self.faults["a system turn after the first user turn"] = None
            return
        if tag == "tool" or "recipient=" in attributes:
            self.faults["a turn to or from a tool"] = None
        self.turns.append(("assistant" if tag == "assistant" else "user", text))

    def comparison(self, block: Block, line: int, part: int, answers: tuple[Answer, ...]) -> Comparison:
        faults = dict(self.faults)
        turns = list(self.turns)
        if turns and turns[-1][0] == "assistant":
            faults["an assistant turn between prompt and answer"] = None
            while turns and turns[-1][0] == "assistant":
                turns.pop()
        if not turns:
            faults["no turn before the answer"] = None
            turns.append(("user", ""))
        *before, (_, prompt) = turns
        for _, text in turns:
            faults |= dict.fromkeys(gaps(text))
        context = tuple(ContextTurn(role=role, content=text) for role, text in before)
        return Comparison(line, block.name, part, context, prompt, answers, tuple(faults))


def comparisons_of(block: Block, path: Path) -> Iterator[Comparison]:
    """The comparisons of a block, in order; where it has none, one without answers.

    After a comparison the conversation goes on from its first GOOD answer.

    Raises:
        TraitError: a tag that is not known, not closed or out of place, or an answer without a label.
    """
    talk = _Conversation()
    answers: list[Answer] | None = None
    opened, part = 0, 0
    lines = enumerate(block.lines, block.line)
    for number, line in lines:
        stripped = line.strip()
        where = f"{path}:{number}"
        if stripped == "<comparison>" and answers is None:
            answers, opened = [], number
        elif stripped == "</comparison>" and answers:
            part += 1
            yield talk.comparison(block, opened, part, tuple(answers))
            good = next((answer for answer in answers if answer.label == "GOOD"), answers[0])
            talk.turns.append(("assistant", good.text))
            answers = None
        elif match := _OPEN.match(stripped):
            text = _inside(lines, match[1], where)
            if answers is not None:
                answers.append(_answer(number, match, text, where))
            else:
                talk.say(match[1], text, match[2])
        elif stripped.startswith(("<", "</")):
            raise TraitError(f"{where}: got {stripped!r}, expected a turn such as <user> or a <comparison>")
        elif stripped:
            talk.faults["text between the turns"] = None
    if answers is not None:
        raise TraitError(f"{path}:{opened}: got <comparison> without its end, expected </comparison>")
    if part == 0:
        yield talk.comparison(block, block.line, 1, ())


def gaps(text: str) -> list[str]:
    """Why a text is not whole: words left out ("[...]"), or words that stand for others ("[name]")."""
    found = []
    if _GAP.search(text):
        found.append("words left out")
    if _SLOT.search(text):
        found.append("words in brackets that stand for others")
    return found


def _inside(lines: Iterator[tuple[int, str]], tag: str, where: str) -> str:
    inside: list[str] = []
    for _, line in lines:
        if line.strip() == f"</{tag}>":
            return html.unescape("\n".join(inside)).strip()
        if _OPEN.match(line.strip()) or line.strip() in ("<comparison>", "</comparison>"):
            break
        inside.append(line)
    raise TraitError(f"{where}: got <{tag}> without its end, expected </{tag}> on a line of its own")


def _answer(number: int, match: re.Match[str], text: str, where: str) -> Answer:
    label = _LABEL.match(match[3] or "")
    if match[1] != "assistant" or not label:
        raise TraitError(f"{where}: got {match[0]!r} in a comparison, expected <assistant> <!-- GOOD -->, BAD or OK")
    why = " ".join(part for part in (label[2], label[3]) if part)
    faults = [*gaps(text), *(["an answer to a tool"] if "recipient=" in match[2] else [])]
    return Answer(number, label[1], html.unescape(why), text, tuple(faults))
