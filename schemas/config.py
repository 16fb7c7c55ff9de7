"""The configuration of a run: one file, one frozen model, one fingerprint per stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from phrasemill.schemas.policy import Policy


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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

    path: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
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
    """``use``: trait ids, the first is the voice of a regeneration. ``dir``: where own trait files are."""

    use: tuple[str, ...] = ("plain",)
    dir: str | None = None


class BackendConfig(Section):
    """Who answers. ``local`` needs no url; ``vllm`` and ``openai`` need ``url`` (with ``/v1``) and ``model``.

    ``api_key_env`` is the NAME of an environment variable; a key itself never stands in a configuration.
    ``context`` is the context window per request, in tokens, of the ``local`` backend.
    """

    use: Literal["local", "vllm", "openai"] = "local"
    url: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    concurrency: int = Field(default=8, ge=1)
    temperature: float = Field(default=0.7, ge=0.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    max_tokens: int = Field(default=512, ge=1)
    context: int = Field(default=4096, ge=256)
    timeout_seconds: float = Field(default=120.0, gt=0.0)
    threads: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _remote_needs_url(self) -> BackendConfig:
        if self.use != "local" and (self.url is None or self.model is None):
            raise ValueError(f"backend {self.use!r} needs url (for example http://localhost:8000/v1) and model")
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
    """The whole configuration. See ``phrasemill init`` for a commented file."""

    input: InputConfig
    packs: tuple[str, ...] = ("core-en",)
    filters: tuple[FilterConfig, ...] = Field(default=(FilterConfig(use="regex"),), min_length=1)
    policy: Policy = Policy()
    traits: TraitsConfig = TraitsConfig()
    backend: BackendConfig = BackendConfig()
    regenerate: RegenerateConfig = RegenerateConfig()
    pairs: PairsConfig = PairsConfig()
    output: OutputConfig = OutputConfig()
    seed: int = 1
