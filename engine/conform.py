"""``conform``: what a folder has on each trait or statement of a spec, against gates and against another folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import ValidationError

from phrasemill.engine.beside import STATISTICS
from phrasemill.engine.conform_compare import held_against
from phrasemill.engine.conform_gates import Gate, check_scopes, judge_gates
from phrasemill.engine.conform_measure import Measured, measure
from phrasemill.engine.conform_model import Calibrated, Conformance, Measure
from phrasemill.engine.conform_page import page
from phrasemill.engine.judge_desk import traits_in_use
from phrasemill.engine.manifest import Manifest, read_manifest, write_atomic
from phrasemill.engine.settings import with_packs
from phrasemill.filters.base import load_filter
from phrasemill.filters.corpus import CorpusFilter
from phrasemill.generators.judging.calibration import CALIBRATION_NAME, load_calibration
from phrasemill.generators.traits import load_traits
from phrasemill.schemas.config import FilterConfig, InputConfig, RunConfig, TraitsConfig
from phrasemill.schemas.documents import read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.judge import JudgeConfig
from phrasemill.schemas.trait import Trait

PAGE_NAME: Final = "conform.md"
JSON_NAME: Final = "conform.json"

_ASKS_A_SERVER: Final = "asks a server"
_COUNTS_FIRST: Final = "needs the statistics of a corpus, which this folder has not"


@dataclass(frozen=True, slots=True)
class Request:
    """What is held against what. ``traits`` and ``use`` empty: the traits that ``folder`` itself was written under."""

    folder: Path
    traits: Path | None = None
    use: tuple[str, ...] = ()
    judged: tuple[Path, ...] = ()
    against: Path | None = None
    judged_against: tuple[Path, ...] = ()
    gates: tuple[Gate, ...] = ()
    show_progress: bool | None = None


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the folder's own configuration says. ``unscanned``: filters left out, and why."""

    filters: tuple[FilterConfig, ...]
    unscanned: dict[str, str]
    traits: TraitsConfig
    judge: JudgeConfig


def conform(request: Request) -> Conformance:
    """Measure a folder and judge its gates; nothing is written, and no gate raises.

    Raises:
        ConfigError: a folder, trait or gate that cannot be used. IntegrityError: a file that cannot be read.
    """
    if request.judged_against and request.against is None:
        raise ConfigError("got --judged-against without --against, expected both or neither")
    manifest = _manifest(request.folder)
    other = None if request.against is None else _manifest(request.against)
    settings = _settings(request.folder)
    traits = _traits(request, manifest, settings)
    check_scopes(request.gates, [trait.id for trait in traits])
    config = RunConfig(input=InputConfig(path=(".",)), filters=settings.filters)
    threshold = settings.judge.min_score
    shared = (traits, config)
    measured = measure(request.folder, manifest, *shared, request.judged, threshold, request.show_progress)
    against = None
    if request.against is not None and other is not None:
        compared = measure(request.against, other, *shared, request.judged_against, threshold, request.show_progress)
        against = held_against(measured, compared)
    report = _report(measured, settings, threshold).model_copy(
        update={"against": against, "calibration": _calibrated(request, settings, measured)}
    )
    return report.model_copy(update={"gates": judge_gates(report, request.gates)})


def write_conformance(report: Conformance, out: Path) -> tuple[Path, Path]:
    """Write ``conform.md`` and ``conform.json`` into the folder ``out``; the same report gives the same bytes.

    Raises:
        ConfigError: ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: got a file, expected a folder to write {PAGE_NAME} and {JSON_NAME} to")
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    paths = out / PAGE_NAME, out / JSON_NAME
    write_atomic(paths[0], page(report).encode())
    write_atomic(paths[1], orjson.dumps(report.model_dump(mode="json"), option=options))
    return paths


def _manifest(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest.command == "scan":
        raise ConfigError(f"{folder}: got a scan, which publishes no text; expected what run, clean or generate wrote")
    return manifest


def _settings(folder: Path) -> _Settings:
    """The parts of ``config.yaml`` that count here; the shipped ones where the folder has none."""
    path = folder / "config.yaml"
    data = read_document(path).data if path.is_file() else {}
    plain = data if isinstance(data, dict) else {}
    shipped: Mapping[str, Any] = RunConfig.model_fields
    try:
        named = plain.get("filters") or [each.model_dump() for each in shipped["filters"].default]
        filters = [FilterConfig.model_validate(each) for each in named]  # type: ignore[union-attr]
        packs = tuple(map(str, plain.get("packs") or shipped["packs"].default))  # type: ignore[arg-type]
        traits = TraitsConfig.model_validate(plain.get("traits") or {})
        judge = JudgeConfig.model_validate(plain.get("judge") or {})
    except ValidationError as error:
        raise ConfigError(
            f"{path}: is no configuration of ours: {error.errors(include_url=False)[0]['msg']}"
        ) from error
    usable, unscanned = [], {}
    for number, each in enumerate(filters):
        prepared, why = _prepared(with_packs(each, packs), folder.resolve(), number)
        if why:
            unscanned[each.use] = why
        else:
            usable.append(prepared)
    if not usable:
        raise ConfigError(f"{path}: got no filter that reads text here ({unscanned}); expected one, such as regex")
    return _Settings(tuple(usable), unscanned, traits, judge)


def _prepared(config: FilterConfig, folder: Path, number: int) -> tuple[FilterConfig, str]:
    """The filter as it can read published text, or why it cannot."""
    if config.use == "judge":
        return config, _ASKS_A_SERVER
    loaded = load_filter(config)
    if not isinstance(loaded, CorpusFilter) or loaded.statistics is not None:
        return config, ""
    path = folder / STATISTICS / f"{number}-{loaded.name}.parquet"
    if not path.is_file():
        return config, _COUNTS_FIRST
    return FilterConfig.model_validate({"use": config.use, **config.options, "statistics": str(path)}), ""


def _traits(request: Request, manifest: Manifest, settings: _Settings) -> tuple[Trait, ...]:
    """What was asked for, else what the folder says; a folder of ``clean`` was written under none."""
    if request.traits is not None or request.use:
        return traits_in_use(request.traits, request.use)
    if manifest.command == "clean":
        return ()
    own = settings.traits
    return load_traits(own.model_copy(update={"allow_harmful": own.use}))


def _report(measured: Measured, settings: _Settings, threshold: float) -> Conformance:
    statements, verdicts = measured.statements, measured.verdicts
    untouched = [each for each in statements if not each.coverage]
    return Conformance(
        folder=str(measured.folder),
        command=measured.manifest.command,
        rows_in=measured.totals.rows_in,
        outcomes=measured.totals.outcomes,
        filters=tuple(each.use for each in settings.filters),
        unscanned=settings.unscanned,
        threshold=threshold,
        whole=measured.whole,
        unknown_traits=measured.unknown_traits,
        statements=statements,
        uncovered=tuple(each.id for each in untouched if not each.near_rows),
        near_only=tuple(each.id for each in untouched if each.near_rows),
        unjudged=tuple(each.id for each in statements if each.judged is None or not each.judged.n),
        cross=() if verdicts is None else verdicts.cross(),
        agreement=None if verdicts is None else verdicts.agreements.get(""),
        judges=() if verdicts is None else verdicts.judges,
        calibration=None,
        against=None,
        gates=(),
    )


def _calibrated(request: Request, settings: _Settings, measured: Measured) -> Calibrated | None:
    """The calibration beside the verdicts, else the one that the folder's configuration names."""
    beside = [file for folder in request.judged if (file := folder / CALIBRATION_NAME).is_file()]
    path: Path | str | None = beside[0] if beside else settings.judge.calibration
    if path is None or measured.verdicts is None:
        return None
    known = load_calibration(path)
    figures = known.pointwise
    low, high = figures.interval
    agreement = Measure(value=figures.agreement, low=low, high=high) if figures.decided else None
    judges: Sequence[str] = measured.verdicts.judges
    return Calibrated(
        model=known.model,
        is_judge=set(judges) == {known.model},
        pairs=figures.pairs,
        agreement=agreement,
        consistency=known.consistency if known.pairwise.pairs else None,
    )
