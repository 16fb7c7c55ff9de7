"""A trait: one thing a character is, in the first person, with what it asks of a text.

A trait's hash leaves out keys at their default (``generators/traits.py``), so a key may be added here with a default at
any time, and a default that has been released never changes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TraitId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]


class ContextTurn(BaseModel):
    """A turn that stands before the prompt of an example; a ``system`` one can only be the first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str


class Turn(BaseModel):
    """An example: what a user says and how the character answers, and why that is right or wrong.

    ``context``: the turns before ``prompt``, oldest first. ``example``: a name; a ``do`` and a ``dont`` of one name are
    a good and a bad answer to the same conversation. ``elided``: parts are left out ("[...]"), so the text may be read
    and shown and is never trained on or given to a model as an example.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    response: str
    why: str = ""
    context: tuple[ContextTurn, ...] = ()
    example: str = ""
    elided: bool = False


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


class Critique(BaseModel):
    """What a model is asked about an answer of its own, and how it is then asked to write the answer again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: str = Field(min_length=1)
    revision: str = Field(min_length=1)


class Trait(BaseModel):
    """One trait file. ``statement`` is first person; ``pos_instruction`` is what a model is told to write in it.

    ``harmful``: meant to do harm, for red-teaming and contrast, and only used where a configuration names it in
    ``traits.allow_harmful``. ``roleplay``: the character may claim a body, a family, a past.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: TraitId
    version: int = Field(default=1, ge=1)
    statement: str = Field(min_length=1)
    authority: Literal["must", "should", "default"] = "default"
    applies_when: str = ""
    harmful: bool = False
    roleplay: bool = False
    do: tuple[Turn, ...] = ()
    dont: tuple[Turn, ...] = ()
    pos_instruction: str = Field(min_length=1)
    neg_instruction: str = ""
    critiques: tuple[Critique, ...] = ()
    phrases: TraitPhrases = TraitPhrases()
    rubric: str = ""
    probe_prompts: tuple[str, ...] = ()
    source: str = ""
