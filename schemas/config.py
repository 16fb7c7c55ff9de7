"""The configuration of a run: one file, one frozen model, one fingerprint per stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from phrasemill.schemas.backend import BackendConfig, Section
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.secrets import SourcePath
from phrasemill.schemas.size import as_bytes


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ColumnsConfig(Section):
    """Names of input columns, where detection should not decide. Empty: detect."""

    id: str | None = None
    messages: str | None = None
    conversations: str | None = None
    prompt: str | None = None
    response: str | None = None
    system: str | None = None
    instruction: str | None = None
    input: str | None = None
    chosen: str | None = None
    rejected: str | None = None


class InputConfig(Section):
    """``path``: a file, folder, glob or fsspec URL, or a list of them."""

    path: Annotated[tuple[SourcePath, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
    columns: ColumnsConfig = ColumnsConfig()


class FilterConfig(BaseModel):
    """``use`` names a filter; the other keys are its options and are checked by that filter."""

    model_config = ConfigDict(frozen=True, extra="allow")

    use: str

    @property
    def options(self) -> dict[str, Any]:
        """The options as given, without ``use``."""
        return dict(self.model_extra or {})


class TraitsConfig(Section):
    """``use``: trait ids, the first is the voice of a regeneration. ``dir``: where own trait files are.

    ``weights``: share of each trait in what is generated; those without one have weight 1. ``allow_harmful``: ids of
    traits that are harmful by intent and are wanted all the same.
    """

    use: tuple[str, ...] = ("plain",)
    dir: str | None = None
    weights: dict[str, Annotated[float, Field(ge=0.0, allow_inf_nan=False)]] = Field(default_factory=dict)
    allow_harmful: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _weighs_what_it_uses(self) -> TraitsConfig:
        if strange := sorted(set(self.weights) - set(self.use)):
            raise ValueError(f"weights names {', '.join(strange)}, expected ids of use: {', '.join(self.use)}")
        return self


class RegenerateConfig(Section):
    """``attempts``: answers asked for per turn before the policy's fallback."""

    recipe: Literal["regenerate"] = "regenerate"
    attempts: int = Field(default=3, ge=1)


class PairsConfig(Section):
    """Which mended turns become preference pairs, and the gate that a regenerated chosen side must pass."""

    kinds: tuple[Literal["strip", "regenerate"], ...] = ("strip", "regenerate")
    quality: Literal["judge", "none"] = "judge"
    max_length_ratio: float = Field(default=1.5, ge=1.0)


class OutputConfig(Section):
    """What is published."""

    sft: bool = True
    preference: bool = True
    compression: Literal["zstd", "snappy", "none"] = "zstd"


class RunConfig(Section):
    """The whole configuration. See ``phrasemill init`` for a commented file.

    ``overrides``: a file of verdicts that a person gave on rows of an earlier folder (``phrasemill sample``).
    ``memory``: what all processes of a run on this machine may hold together, in bytes or as ``512MB``, ``2GB`` or
    ``2GiB``; null: no limit, each process reads 32 MiB at a time. No result depends on it.
    """

    input: InputConfig
    packs: tuple[str, ...] = ("core-en",)
    filters: tuple[FilterConfig, ...] = Field(default=(FilterConfig(use="regex"),), min_length=1)
    policy: Policy = Policy()
    traits: TraitsConfig = TraitsConfig()
    backend: BackendConfig = BackendConfig()
    regenerate: RegenerateConfig = RegenerateConfig()
    pairs: PairsConfig = PairsConfig()
    judge: JudgeConfig = JudgeConfig()
    output: OutputConfig = OutputConfig()
    overrides: str | None = None
    memory: Annotated[int | None, BeforeValidator(as_bytes)] = None
    seed: int = 1
