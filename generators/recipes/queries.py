"""``queries``: from a trait to messages that users may send, some that bring the trait out and some that do not.

One request asks for a numbered list of messages of one length and one aim, about topics of our own list. What comes
back is read line by line and measured again: a model is not believed about the length of what it wrote.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeVar, cast

from pydantic import Field, field_validator

from phrasemill.generators.ask import Ask
from phrasemill.generators.recipes.base import Made, Query, Recipe
from phrasemill.generators.recipes.language import language_of
from phrasemill.generators.recipes.prompting import told
from phrasemill.generators.recipes.query_lines import Line, bucket, parse_lines
from phrasemill.generators.recipes.query_spread import Known
from phrasemill.generators.recipes.query_topics import TOPICS
from phrasemill.generators.tasks import Message
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.trait import Trait

Length = Literal["short", "medium", "long"]
Aim = Literal["presence", "absence"]
Name = TypeVar("Name", bound=str)

ROUND: Final = 10
"""Requests of one round of a trait: as many of each length and aim as their weights say."""

COPIED_WORDS: Final = 6
"""Words in a row of our own request that no message has by chance."""

_TOKENS: Final[Mapping[Length, int]] = {"short": 32, "medium": 72, "long": 160}
"""Room for one message."""

_LENGTHS: Final[Mapping[Length, str]] = {
    "short": "Each message is short: at most 15 words.",
    "medium": "Each message has one or two sentences: 16 to 40 words.",
    "long": "Each message is long: several sentences that tell the whole situation, at least 45 words, on one line.",
}
_AIMS: Final[Mapping[Aim, str]] = {
    "presence": "Choose situations in which this would clearly show in a good reply.",
    "absence": "Choose plain requests for which this makes no difference to a good reply.",
}
_INSTRUCTION: Final = (
    "You make up messages that people type to a chat assistant. You speak as these people, each in words of their own, "
    "and never as the assistant."
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one request asks for. It stands in the item's only message, in one line."""

    length: Length
    aim: Aim
    topics: tuple[str, ...]

    def opening(self) -> tuple[Message, ...]:
        """The wish as the opening of an item."""
        return (Message("user", f"{self.length} | {self.aim} | {'; '.join(self.topics)}"),)

    @classmethod
    def read(cls, messages: Sequence[Message]) -> Wish:
        """The wish of an item that ``seeds`` made."""
        length, aim, topics = messages[0].content.split(" | ")
        return cls(cast("Length", length), cast("Aim", aim), tuple(topics.split("; ")))


class Queries(Recipe):
    """``batch`` messages a request. ``lengths``: weights; ``present``: share of messages that bring the trait out.

    ``examples``: probe prompts of the trait that are shown, as the kind of message that is meant; they are not among
    the queries.
    """

    name: ClassVar[str] = "queries"
    works_on: ClassVar[str] = "nothing"

    batch: int = Field(default=10, ge=1, le=50)
    lengths: Mapping[Length, float] = Field(default={"short": 0.3, "medium": 0.4, "long": 0.3})
    present: float = Field(default=0.7, ge=0.0, le=1.0)
    examples: int = Field(default=2, ge=0, le=8)

    @field_validator("lengths")
    @classmethod
    def _some_weight(cls, value: Mapping[Length, float]) -> Mapping[Length, float]:
        if any(weight < 0 for weight in value.values()) or not sum(value.values()) > 0:
            raise ValueError(f"got the weights {dict(value)}, expected none below 0 and a sum above 0")
        return value

    def seeds(self, trait: Trait, repeat: int) -> list[tuple[Message, ...]]:
        """The requests of one round; each round goes through the topics in another order."""
        draw = random.Random(f"queries:{trait.id}:{repeat}")
        topics = draw.sample(TOPICS, len(TOPICS))
        present: dict[Aim, float] = {"presence": self.present, "absence": 1 - self.present}
        lengths, aims = _shares(self.lengths, ROUND), _shares(present, ROUND)
        draw.shuffle(lengths)
        draw.shuffle(aims)
        own = [[topics[(at * self.batch + each) % len(topics)] for each in range(self.batch)] for at in range(ROUND)]
        return [
            Wish(length, aim, tuple(about)).opening() for length, aim, about in zip(lengths, aims, own, strict=True)
        ]

    def varies(self, config: GenerateConfig) -> bool:  # noqa: ARG002
        """Every round asks for other topics."""
        return True

    def check(self, config: GenerateConfig, traits: Sequence[Trait]) -> None:  # noqa: ARG002
        """Predicates are on rows, and queries are none."""
        if config.accept.where:
            raise ConfigError(
                f"accept.where: got {', '.join(config.accept.where)}, expected nothing: the recipe queries makes no "
                "rows; select by pm_length and pm_aim when its queries are used"
            )

    async def rollout(self, ask: Ask) -> Made:
        """The messages of one answer; ``facts``: lines read, messages kept, and lines left out by reason."""
        trait, wish = ask.item.trait, Wish.read(ask.item.messages)
        shown = trait.probe_prompts[: self.examples]
        request = self._request(trait, wish, shown)
        messages = told(_INSTRUCTION, [Message("user", request)])
        answer = await ask(messages, part="list", max_tokens=self.batch * _TOKENS[wish.length])
        lines = parse_lines(
            answer.text,
            wanted=self.batch,
            cut=answer.finish_reason == "length",
            language=language_of(f"{trait.statement} {trait.pos_instruction}"),
        )
        lines = [_compared(line, f"{_INSTRUCTION} {request}", wish.topics, shown) for line in lines]
        queries = tuple(Query(line.text, bucket(line.text), wish.aim) for line in lines if not line.reason)
        lost = Counter(line.reason for line in lines if line.reason)
        facts = {"lines": float(len(lines)), "kept": float(len(queries))}
        facts |= {f"lost_{name}": float(count) for name, count in sorted(lost.items())}
        reason = "" if queries else lost.most_common(1)[0][0]
        if reason:
            ask.reject(answer, reason)
        return Made(None, facts=facts, reason=reason, queries=queries)

    def _request(self, trait: Trait, wish: Wish, shown: Sequence[str]) -> str:
        count = f"{self.batch} messages" if self.batch > 1 else "1 message"
        parts = [
            f"Write {count} from different people to an assistant that says of itself: {trait.statement}",
            _AIMS[wish.aim],
            _LENGTHS[wish.length],
            f"One message for each of these topics: {'; '.join(wish.topics)}.",
        ]
        if shown:
            parts.append("Messages of the right kind: " + " / ".join(shown))
        parts.append(f"Write the list numbered from 1 to {self.batch}, one message a line, and nothing else.")
        return "\n".join(parts)


def _shares(weights: Mapping[Name, float], count: int) -> list[Name]:
    """``count`` names, each as often as its weight says: the one that lags furthest behind is next."""
    total = sum(weights.values())
    given: Counter[Name] = Counter()
    for size in range(1, count + 1):
        given[max(weights, key=lambda name: weights[name] / total * size - given[name])] += 1
    return [name for name in weights for _ in range(given[name])]


def _compared(line: Line, request: str, topics: Sequence[str], shown: Sequence[str]) -> Line:
    """The line, with a reason where it is copied from what the model was told."""
    if line.reason:
        return line
    known = Known()
    for text in shown:
        known.add(text)
    if known.add(line.text):
        return Line(line.text, "example_copy")
    if line.text.casefold().strip(" .?!") in topics:
        return Line(line.text, "fragment")
    if _runs(line.text) & _runs(request):
        return Line(line.text, "names_instructions")
    return line


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word.strip(".,:;?!\"'()") for word in text.casefold().split()]
    return {tuple(words[at : at + COPIED_WORDS]) for at in range(len(words) - COPIED_WORDS + 1)}
