"""Tics as phrases with the place where they belong: our own list by category, and those of a pack's rule examples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from phrasemill.filters.packs import pack_files, read_pack_file
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.rule import Example, Rule

LIST: Final = Path(__file__).parent / "tics.yaml"

At = Literal["start", "end", "sentence", "between"]

To = Literal["question", "task", "view", "news"]


class Tic(BaseModel):
    """``say`` is put ``at`` the start or end of an answer, in front of a sentence, or behind one (``between``).

    ``glue`` stands between it and the text; None: what suits the place. ``to``: what the user turn must be for it to be
    said at all: a question, a task, a question for the assistant's own view or experience, one about what is new today.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: At
    say: Annotated[str, Field(min_length=1)]
    glue: str | None = None
    to: To | None = None

    @property
    def runs_on(self) -> bool:
        """Whether it goes on into the sentence behind it instead of standing alone."""
        return self.say[-1].isalnum() or self.say[-1] in ",:;-\u2013\u2014"


class _List(RootModel[dict[str, tuple[Tic, ...]]]):
    pass


@cache
def own_tics() -> dict[str, tuple[Tic, ...]]:
    """Our own list, by category."""
    return parse_model(_List, read_document(LIST), ConfigError).root


@cache
def pack_rules(packs: tuple[str, ...]) -> dict[str, Rule]:
    """All rules of the packs by id, as their files have them.

    Raises:
        PackError: a pack is not there or cannot be read.
    """
    files = [path for pack in packs for path in pack_files(pack)]
    return {rule.id: rule for path in files for rule in read_pack_file(path).rules}


@cache
def tics_of(name: str, packs: tuple[str, ...]) -> tuple[Tic, ...]:
    """What may raise ``name``, a category or rule id; empty where nobody knows a phrase for it.

    Of a rule: what its own examples lose in a strip, then our phrases of its category.
    """
    if name in own_tics():
        return own_tics()[name]
    rule = pack_rules(packs).get(name)
    if rule is None:
        return ()
    found = [tic for example in rule.examples.hit if (tic := _of_example(rule, example)) is not None]
    return tuple(dict.fromkeys((*found, *own_tics().get(rule.category, ()))))


def check_names(names: Sequence[str], packs: tuple[str, ...]) -> None:
    """Refuse names that are no category of ours and no rule that gives us a phrase.

    Raises:
        ConfigError: what was got, what was expected.
    """
    for name in names:
        if tics_of(name, packs):
            continue
        if name in pack_rules(packs):
            raise ConfigError(
                f"recipe.tics: got the rule {name!r}, of which no example shows what a strip removes; give one of its "
                "examples under hit a cut, or name a category"
            )
        raise ConfigError(
            f"recipe.tics: got {name!r}, expected a category ({', '.join(own_tics())}) or the id of a rule of "
            f"{', '.join(packs)}"
        )


def _of_example(rule: Rule, example: str | Example) -> Tic | None:
    """What stands in front of the stripped text or behind it, where the example shows that text."""
    if isinstance(example, str) or not example.cut or example.prompt:
        return None
    text, left = example.text, example.cut
    if text.startswith(left):
        return _tic("end", text[len(left) :])
    # The first letter is a capital only since the strip.
    if text.endswith(left[1:]) and text[-len(left)].casefold() == left[0].casefold():
        return _tic("sentence" if rule.at == "sentence_start" else "start", text[: len(text) - len(left)])
    return None


def _tic(at: At, text: str) -> Tic | None:
    said = text.strip()
    return Tic(at=at, say=said) if said and "\n" not in said else None
