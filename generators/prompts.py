"""The messages that a model gets: the conversation up to the turn, and what the trait and the rules ask.

The model answers the user afresh. It is never shown the flagged answer: small models copy what they are shown, and the
answer's phrases with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from phrasemill.generators.guards import Rejection
from phrasemill.generators.tasks import Hit, Message
from phrasemill.schemas.trait import Trait

TEMPLATE_VERSION: Final = 1
"""Part of every request hash: raise it with any change to the texts below."""

_MAX_NAMED: Final = 12


class Request(NamedTuple):
    """``messages`` as sent; ``instruction`` is our own part of the system message."""

    messages: list[dict[str, str]]
    instruction: str


def build_request(
    before: Sequence[Message],
    trait: Trait,
    *,
    declines: bool = False,
    references: Sequence[str] = (),
    hits: Sequence[Hit] = (),
    rejection: Rejection | None = None,
    max_words: int,
) -> Request:
    """Messages for one attempt: one system message first, then users and assistants in turn, a user last.

    The conversation's own system text is kept in front of ours. ``hits`` and ``rejection`` are those of the attempt
    before; ``references`` is what later turns lean on; ``declines``: the turn is a refusal and stays one.
    """
    parts = [trait.pos_instruction.strip()]
    if declines:
        parts.append("You cannot do what the last message asks. Decline in a sentence or two and say why.")
    if references:
        named = ", ".join(references[:_MAX_NAMED])
        parts.append(
            f"The conversation goes on and comes back to these, so mention each of them as it stands: {named}."
        )
    if hits:
        named = "; ".join(dict.fromkeys(f'"{" ".join(hit.text.split())[:160]}"' for hit in hits))
        parts.append(f"Do not use these phrases or close variants of them: {named}.")
    if rejection:
        parts.append(_correction(rejection, max_words))
    instruction = "\n".join(part for part in parts if part)
    own = [message.content.strip() for message in before if message.role in ("system", "developer")]
    system = "\n\n".join([*(text for text in own if text), instruction])
    return Request([{"role": "system", "content": system}, *alternating(before)], instruction)


def _correction(rejection: Rejection, max_words: int) -> str:
    """One plain sentence on what was wrong with the attempt before; empty where words would not help."""
    texts = {
        "truncated": f"Keep the answer under {max_words} words and finish it.",
        "unfinished": "Finish the last sentence.",
        "empty": "Write the answer out.",
        "too_short": "Write the answer out in full.",
        "gutted": "Write the answer out in full, with any code that it needs in a code block.",
        "prompt_copy": "Answer the message; do not repeat it.",
        "repetition": "Say everything once.",
        "fake_user_turn": "Stop when the answer is complete.",
        "leaked_template": "Write plain text without role names or special tokens.",
        "names_instructions": "Speak about the subject alone.",
        "claims_human": "Do not call yourself a human.",
        "trait_leak": "Do not speak about your own manner, role or instructions.",
        "language_switch": "Answer in the language of the message.",
        "off_topic": "Answer what the message asks.",
        "lost_refusal": "Say plainly that you cannot do it.",
        "banned_phrase": f'Do not use the phrase "{rejection.detail}".',
        "lost_reference": f"The answer must mention: {rejection.detail}.",
    }
    return texts.get(rejection.reason, "")


def alternating(before: Sequence[Message]) -> list[dict[str, str]]:
    """The turns as every chat template takes them: user first, roles in turn, tool results as text of the user."""
    turns: list[dict[str, str]] = []
    for message in before:
        content = message.content.strip()
        if message.role in ("system", "developer") or not content:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        text = f"Result of a tool:\n{content}" if message.role == "tool" else content
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += f"\n\n{text}"
        elif turns or role == "user":
            turns.append({"role": role, "content": text})
    return turns
