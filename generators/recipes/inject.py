"""``inject``: named tics put into clean answers, for rejected sides that differ from the chosen ones in nothing else.

No model is asked. The filters that judge all data must find the tic where it was put.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from phrasemill.filters.detect import UNDECIDED
from phrasemill.filters.request import Request
from phrasemill.generators.ask import Ask, seed_of
from phrasemill.generators.recipes.base import Made, Pair, Recipe
from phrasemill.generators.recipes.even_length import without_a_sentence
from phrasemill.generators.recipes.language import language_of
from phrasemill.generators.recipes.tic_occasion import suits, wants_text
from phrasemill.generators.recipes.tic_places import Prose, put
from phrasemill.generators.recipes.tics import check_names, own_tics, tics_of
from phrasemill.generators.tasks import Message
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Inject(Recipe):
    """The last answer is chosen, the same with ``per_row`` tics is rejected; the row is the conversation as it came.

    ``tics``: categories or rule ids, all categories of our list where empty. ``packs``: where rules are looked up.
    ``even_length``: the rejected side loses a sentence that is longer than its tics, where it has one to lose: a third
    of answers have, lists seldom. Without it the rejected side of every pair is the longer one.
    """

    name: ClassVar[str] = "inject"
    works_on: ClassVar[str] = "conversations"
    asks: ClassVar[bool] = False

    tics: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    per_row: int = Field(default=1, ge=1, le=5)
    packs: tuple[str, ...] = ("core-en",)
    even_length: bool = False

    async def rollout(self, ask: Ask) -> Made:
        """The row and its pair, or why there is none.

        ``no_answer``; ``dirty:RULE``: an answer of the conversation is not clean; ``not_english``;
        ``no_place``: no tic fits, or the filters find none where it would stand.
        """
        messages = ask.item.messages
        if not messages or messages[-1].role != "assistant":
            return Made(None, reason="no_answer")
        if reason := _not_clean(ask, messages):
            return Made(None, reason=reason)
        chosen = messages[-1].content
        if language_of(chosen) not in ("en", UNDECIDED):
            return Made(None, reason="not_english")
        draw = random.Random(seed_of(ask.desk.seed, ask.item.key, "tic", 0))
        names = self.tics or tuple(own_tics())
        rejected = chosen
        rules: list[str] = []
        for name in draw.sample(names, len(names)):
            found = self._with_tic(ask, rejected, name, draw)
            if found is not None:
                rejected = found[0]
                rules.append(found[1])
            if len(rules) == self.per_row:
                whole = len(rejected)
                if self.even_length:
                    rejected = _shortened(ask, chosen, rejected, rules)
                cut = whole - len(rejected)
                pair = Pair(messages[:-1], chosen, rejected, ",".join(rules))
                return Made(messages, (pair,), {"tics": float(len(rules)), "cut": float(cut)})
        return Made(None, reason="no_place")

    def check(self, config: GenerateConfig, traits: Sequence[Trait]) -> None:  # noqa: ARG002
        """Every name must be known, and there must be as many as a row is to have tics."""
        check_names(self.tics, self.packs)
        names = self.tics or tuple(own_tics())
        if self.per_row > len(names):
            raise ConfigError(
                f"recipe.per_row: got {self.per_row}, expected at most {len(names)}: a row gets one tic of each of "
                f"recipe.tics ({', '.join(names)})"
            )

    def _with_tic(self, ask: Ask, text: str, name: str, draw: random.Random) -> tuple[str, str] | None:
        """The text with a tic of ``name`` and the rule that finds it, or None where none can be put so."""
        if _rules_found(ask, text, name):
            return None
        request = Request(ask.item.user)
        prose = Prose(text, made=_is_made(ask.item.messages))
        tics = [tic for tic in tics_of(name, self.packs) if suits(tic, request)]
        for tic in draw.sample(tics, len(tics)):
            places = prose.places(tic)
            if not places:
                continue
            changed = put(text, draw.choice(places))
            if rules := _rules_found(ask, changed, name):
                return changed, rules[0]
        return None


def _shortened(ask: Ask, chosen: str, rejected: str, rules: Sequence[str]) -> str:
    """The rejected side less a sentence, every tic still found in it; as it is where none can go."""
    for shorter in without_a_sentence(rejected, chosen, made=_is_made(ask.item.messages)):
        if all(_rules_found(ask, shorter, rule) for rule in rules):
            return shorter
    return rejected


def _last_asked(messages: Sequence[Message]) -> list[str]:
    """The last two user turns: "another one, about winter" asks for the text that the turn before it asked for."""
    return [message.content for message in messages if message.role == "user"][-2:]


def _is_made(messages: Sequence[Message]) -> bool:
    """Whether the answer holds a text that was asked for."""
    return any(wants_text(Request(turn)) for turn in _last_asked(messages))


def _rules_found(ask: Ask, text: str, name: str) -> list[str]:
    """Rules of the category or id ``name`` that find something in the text which the trait may not say."""
    allowed = set(ask.item.trait.phrases.allow)
    hits = ask.desk.find(text, ask.item.user)
    return [
        hit.rule_id for hit in hits if name in (hit.rule_id, hit.category) and not allowed & {hit.rule_id, hit.category}
    ]


def _not_clean(ask: Ask, messages: Sequence[Message]) -> str:
    """Why the conversation cannot be a row as it is, or an empty text.

    The policy decides on earlier answers. The last one is the chosen side: a tic that the policy only tags would stand
    on both sides of the pair, so any is too many there.
    """
    allowed = ask.item.trait.phrases.allow
    asked = ""
    for place, message in enumerate(messages):
        if message.role == "user":
            asked = message.content
        elif message.role == "assistant":
            hits = ask.desk.scan(ask.item.trait, message.content, asked)
            if place == len(messages) - 1 and not hits:
                found = ask.desk.find(message.content, asked)
                hits = [hit for hit in found if hit.rule_id not in allowed and hit.category not in allowed]
            if hits:
                return f"dirty:{hits[0].rule_id}"
    return ""
