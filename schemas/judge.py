"""Who judges answers, and how far it is trusted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from phrasemill.schemas.backend import BackendConfig, Section


class JudgeConfig(Section):
    """``model`` asks a server; ``classifier`` reads a file that was trained on ``contrast`` output.

    ``backend``: None is the backend of the run. ``calibration``: a report of ``phrasemill judge calibrate``; without
    one, or with an agreement under ``min_agreement``, no pair that a judge gates is published, unless
    ``trust_uncalibrated`` says so. ``min_score``: 0 to 100, what a chosen side must reach. ``steady``: a model's score
    counts only if each half of the answer gets one that is at most so many points away: three requests instead of one.
    """

    use: Literal["model", "classifier"] = "model"
    backend: BackendConfig | None = None
    path: str | None = None
    calibration: str | None = None
    min_agreement: float = Field(default=0.75, ge=0.0, le=1.0)
    trust_uncalibrated: bool = False
    min_score: float = Field(default=60.0, ge=0.0, le=100.0)
    steady: float | None = Field(default=None, ge=0.0, le=100.0)

    @model_validator(mode="after")
    def _classifier_is_whole(self) -> JudgeConfig:
        if self.use == "classifier" and self.path is None:
            raise ValueError("judge 'classifier' needs path, a file that phrasemill judge train has written")
        if self.use == "classifier" and self.steady is not None:
            raise ValueError("steady: only for a judge that is asked; a classifier is not steered by what it reads")
        return self
