"""What the engine hands to a recipe: one flagged turn of a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Message(NamedTuple):
    """One turn."""

    role: str
    content: str


class Hit(NamedTuple):
    """A phrase that the policy does not let stand. ``text`` is as it stood in the turn."""

    rule_id: str
    category: str
    text: str


@dataclass(frozen=True, slots=True)
class TurnTask:
    """The assistant turn ``messages[turn]``, to be written again.

    ``messages`` is the whole conversation: what is before the turn already mended, what comes after as it was.
    ``original`` is the flagged text, ``hits`` what is wrong with it; its hits of category ``refusal`` belong in here
    too, whatever the policy does with them: a refusal is written again as a refusal.
    """

    shard: str
    row: int
    row_id: str
    field: str
    turn: int
    messages: tuple[Message, ...]
    original: str
    hits: tuple[Hit, ...] = ()

    @property
    def before(self) -> tuple[Message, ...]:
        """The turns before it."""
        return self.messages[: self.turn]

    @property
    def later(self) -> tuple[str, ...]:
        """The texts of the turns after it."""
        return tuple(message.content for message in self.messages[self.turn + 1 :])

    @property
    def declines(self) -> bool:
        """Whether the flagged turn is a refusal."""
        return any(hit.category == "refusal" for hit in self.hits)

    @property
    def previous_user(self) -> str:
        """The nearest user turn before it, or the empty text."""
        return next((message.content for message in reversed(self.before) if message.role == "user"), "")
