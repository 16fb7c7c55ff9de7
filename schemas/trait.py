"""A trait: one thing a character is, in the first person, with what it asks of a text."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TraitId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]


class Turn(BaseModel):
    """An example: what a user says and how the character answers, and why that is right or wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    response: str
    why: str = ""


class PhraseLimit(BaseModel):
    """A pattern that may appear, but not more often than ``max_per_1k`` times per 1,000 words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pattern: str
    max_per_1k: float = Field(ge=0.0)


class TraitPhrases(BaseModel):
    """``ban``: phrases that the character never says. ``allow``: rule ids or categories that it may break."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ban: tuple[str, ...] = ()
    limit: tuple[PhraseLimit, ...] = ()
    allow: tuple[str, ...] = ()


class Trait(BaseModel):
    """One trait file. ``statement`` is first person; ``pos_instruction`` is what a model is told to write in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: TraitId
    version: int = Field(default=1, ge=1)
    statement: str = Field(min_length=1)
    authority: Literal["must", "should", "default"] = "default"
    applies_when: str = ""
    do: tuple[Turn, ...] = ()
    dont: tuple[Turn, ...] = ()
    pos_instruction: str = Field(min_length=1)
    neg_instruction: str = ""
    phrases: TraitPhrases = TraitPhrases()
    rubric: str = ""
    probe_prompts: tuple[str, ...] = ()
    source: str = ""
