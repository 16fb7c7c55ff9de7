"""One rule of a pack: a pattern, where it may match, what a strip removes, and the examples that prove it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=80)]
Position = Literal["start", "end", "sentence_start", "anywhere"]
Frame = Literal["none", "match", "group", "tail"]


class Example(BaseModel):
    """A text with the user turn before it, where that matters. ``cut`` is the text after the strip, if it is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    prompt: str | None = None
    cut: str | None = None


class Examples(BaseModel):
    """``hit``: every text gives at least one span of this rule that counts. ``miss``: none does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hit: tuple[str | Example, ...] = ()
    miss: tuple[str | Example, ...] = ()


class Rule(BaseModel):
    """A linear-time pattern and its scope.

    ``pattern`` is RE2 syntax, case-insensitive, on one turn's text; ``phrases`` are literals (white space matches any
    run of white space, ``'`` any apostrophe), alone or as ``{phrases}`` inside ``pattern``.
    ``at``: ``start`` (first thing in the turn, or behind another ``start`` hit), ``end`` (inside the last block),
    ``sentence_start`` or ``anywhere``.
    ``frame``: what a strip removes: ``none`` (cannot be stripped), ``match`` (the whole hit), ``group`` (the group
    named ``cut``) or ``tail`` (from the hit to the end of the turn).
    ``unless`` are patterns that are looked for around the hit; a match of one that overlaps it withdraws it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RuleId
    version: int = Field(default=1, ge=1)
    category: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    pattern: str | None = None
    phrases: tuple[str, ...] = ()
    at: Position = "anywhere"
    roles: tuple[str, ...] = ("assistant",)
    unless: tuple[str, ...] = ()
    frame: Frame = "none"
    score: float = Field(default=1.0, ge=0.0, le=1.0)
    examples: Examples = Examples()
    note: str = ""

    @model_validator(mode="after")
    def _has_something_to_match(self) -> Rule:
        if self.pattern is None and not self.phrases:
            raise ValueError("a rule needs a pattern or phrases")
        if self.pattern is not None and self.phrases and "{phrases}" not in self.pattern:
            raise ValueError("a rule with both must say where the phrases go: {phrases} in its pattern")
        return self


class RulePack(BaseModel):
    """A named, versioned list of rules. ``id`` is what a config names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RuleId
    version: int = Field(default=1, ge=1)
    language: str = "any"
    description: str = ""
    macros: dict[str, str] = Field(default_factory=dict)
    rules: tuple[Rule, ...]
