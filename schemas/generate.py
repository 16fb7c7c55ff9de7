"""The configuration of ``phrasemill generate``: which recipe, in which traits, over which prompts, until when."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from phrasemill.schemas.backend import BackendConfig, Section
from phrasemill.schemas.config import ColumnsConfig, FilterConfig, OutputConfig, TraitsConfig
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.policy import Policy
from phrasemill.schemas.secrets import SourcePath

RecipeName = Literal["queries", "respond", "distill", "contrast", "constitutional", "introspect", "rewrite", "inject"]


class RecipeConfig(BaseModel):
    """``use`` names a recipe; the other keys are its options and are checked by that recipe."""

    model_config = ConfigDict(frozen=True, extra="allow")

    use: RecipeName

    @property
    def options(self) -> dict[str, Any]:
        """The options as given, without ``use``."""
        return dict(self.model_extra or {})


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _named(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


class PromptsConfig(Section):
    """Where prompts come from, or whole conversations for ``rewrite`` and ``inject``.

    ``path``: an output folder of the recipe ``queries``, or any dataset. Without one, the probe prompts of each trait
    serve. ``turns``: user turns a conversation has when the last answer is written; the earlier answers and the
    follow-up questions are written by ``backend``.
    """

    path: Annotated[tuple[SourcePath, ...], BeforeValidator(_as_tuple)] = ()
    columns: ColumnsConfig = ColumnsConfig()
    turns: int = Field(default=1, ge=1, le=20)


class AcceptConfig(Section):
    """When enough is enough: exactly ``rows`` accepted rows for which every predicate of ``where`` holds.

    ``rows``: over all traits, by their weights; None: every prompt once. ``requests``: the budget, after which the run
    stops as it is; None: 20 for each row. ``where``: ``NAME OP NUMBER``, such as ``words >= 20``.
    """

    rows: int | None = Field(default=None, ge=1)
    requests: int | None = Field(default=None, ge=1)
    where: tuple[str, ...] = ()


class MonitorConfig(Section):
    """Shares of prompts, once ``after`` of them have ended, at which a run stops early and says why."""

    after: int = Field(default=30, ge=1)
    refusal: float = Field(default=0.5, gt=0.0, le=1.0)
    repetition: float = Field(default=0.5, gt=0.0, le=1.0)
    fake_user_turn: float = Field(default=0.5, gt=0.0, le=1.0)
    language_switch: float = Field(default=0.5, gt=0.0, le=1.0)
    leaked_template: float = Field(default=0.5, gt=0.0, le=1.0)
    off_topic: float = Field(default=0.8, gt=0.0, le=1.0)
    failed: float = Field(default=0.5, gt=0.0, le=1.0)


class PairingConfig(Section):
    """Which pairs are published. ``balance``: pairs are left out until length alone does not tell the chosen side.

    ``max_auc``: what a classifier that sees lengths only may reach then. ``max_length_ratio``: longer over shorter.
    """

    balance: Literal["none", "length"] = "none"
    max_auc: float = Field(default=0.6, ge=0.5, le=1.0)
    max_length_ratio: float | None = Field(default=None, ge=1.0)


class MixConfig(Section):
    """Clean data beside the character's: ``dose`` is the share of character rows in ``data/sft``.

    ``path``: an output folder of ``clean`` or ``run``, or any dataset.
    """

    path: Annotated[tuple[SourcePath, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
    columns: ColumnsConfig = ColumnsConfig()
    dose: float = Field(gt=0.0, lt=1.0)


class GenerateConfig(Section):
    """The whole configuration. ``teacher`` speaks in character where a recipe wants one; None: ``backend`` does."""

    recipe: Annotated[RecipeConfig, BeforeValidator(_named)]
    prompts: PromptsConfig = PromptsConfig()
    traits: TraitsConfig = TraitsConfig()
    accept: AcceptConfig = AcceptConfig()
    backend: BackendConfig = BackendConfig()
    teacher: BackendConfig | None = None
    judge: JudgeConfig = JudgeConfig()
    packs: tuple[str, ...] = ("core-en",)
    filters: tuple[FilterConfig, ...] = Field(default=(FilterConfig(use="regex"),), min_length=1)
    policy: Policy = Policy()
    monitors: MonitorConfig = MonitorConfig()
    pairs: PairingConfig = PairingConfig()
    mix: MixConfig | None = None
    overrides: str | None = None
    output: OutputConfig = OutputConfig()
    seed: int = 1
