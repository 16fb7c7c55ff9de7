"""Gates of a conformance report: ``NAME OP NUMBER``, for every statement, one of them, or the whole folder."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phrasemill.engine.conform_model import WHOLE, Against, Calibrated, Conformance, GateResult, HitRate, Statement
from phrasemill.schemas.errors import ConfigError, GateError

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_GATE: Final = re.compile(
    r"\s*(?:([a-z0-9][a-z0-9_-]*|\*)\.)?([a-z][a-z0-9_]*)\s*(>=|<=|==|>|<)\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+))\s*"
)

OF_STATEMENTS: Final = (
    "coverage",
    "rows",
    "queries",
    "probe_rows",
    "near_rows",
    "hits",
    "hits_per_1k",
    "hits_per_row",
    "hit_share",
    "ban_hits",
    "limits_broken",
    "n_judged",
    "judge_mean",
    "judge_low",
    "pass_rate",
    "pass_low",
    "refusal_share",
    "invalid_share",
    "consistency",
)
"""Numbers of every statement. ``judge_low`` and ``pass_low`` are the lower ends of the intervals."""

OF_WHOLE: Final = (
    "rows",
    "hits",
    "hits_per_1k",
    "hits_per_row",
    "hit_share",
    "uncovered",
    "unjudged",
    "consistency",
    "agreement",
    "worse",
)
"""Numbers of the whole folder. ``agreement`` is the calibration's; ``worse`` counts verdicts in a comparison."""


@dataclass(frozen=True, slots=True)
class Gate:
    """``of``: a trait's id, ``*`` for the whole folder, or empty: every statement, or the whole where there is none."""

    text: str
    of: str
    name: str
    compare: Callable[[float, float], bool]
    value: float


def read_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """The gates as given on the command line.

    Raises:
        ConfigError: one is not ``NAME OP NUMBER``, or there is no such number.
    """
    return tuple(map(_gate, texts))


def _gate(text: str) -> Gate:
    found = _GATE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"--gate: got {text!r}, expected NAME OP NUMBER with one of {' '.join(_OPERATORS)}, such as "
            "'pass_rate >= 0.8', 'caring.judge_mean >= 70' or '*.hits_per_1k <= 0.5'"
        )
    of, name = found[1] or "", found[2]
    known = OF_WHOLE if of == WHOLE else OF_STATEMENTS if of else (*OF_STATEMENTS, *OF_WHOLE)
    if name not in known:
        whose = "the whole folder" if of == WHOLE else "a statement" if of else "a statement or the folder"
        raise ConfigError(
            f"--gate: {text!r}: got {name!r}, expected a number of {whose}: {', '.join(dict.fromkeys(known))}"
        )
    return Gate(" ".join(text.split()), of, name, _OPERATORS[found[3]], float(found[4]))


def check_scopes(gates: Sequence[Gate], ids: Sequence[str]) -> None:
    """Refuse a gate on a statement that is not looked at.

    Raises:
        ConfigError: names it and the statements there are.
    """
    for gate in gates:
        if gate.of not in ("", WHOLE, *ids):
            have = ", ".join(ids) or "none; name them with --traits or --use"
            raise ConfigError(f"--gate: {gate.text!r}: got the trait {gate.of!r}, expected one of: {have}")


def judge_gates(report: Conformance, gates: Sequence[Gate]) -> tuple[GateResult, ...]:
    """Every gate on everything that it is for. What is not known does not hold."""
    whole = _numbers_of_whole(report)
    numbers = {each.id: _numbers(each) for each in report.statements}
    results = []
    for gate in gates:
        if gate.of:
            chosen = [gate.of]
        elif gate.name in OF_STATEMENTS and numbers:
            chosen = list(numbers)
        else:
            chosen = [WHOLE]
        for of in chosen:
            got = (whole if of == WHOLE else numbers[of]).get(gate.name)
            holds = got is not None and gate.compare(got, gate.value)
            results.append(GateResult(gate=gate.text, of=of, got=got, holds=holds))
    return tuple(results)


def raise_failed(results: Sequence[GateResult]) -> None:
    """Raise GateError if a gate does not hold: a line each, with the statement, what was got and what was expected."""
    failed = [each for each in results if not each.holds]
    if failed:
        lines = [f"{_whose(each.of)}: got {shown_number(each.got)}, expected {each.gate}" for each in failed]
        listed = "\n  ".join(lines)
        raise GateError(f"{len(failed):,} of {len(results):,} gates do not hold; the report is complete:\n  {listed}")


def _numbers(of: Statement) -> dict[str, float | None]:
    judged, agreement = of.judged, of.agreement
    numbers: dict[str, float | None] = {
        "coverage": of.coverage,
        "rows": of.rows,
        "queries": of.queries,
        "probe_rows": of.probe_rows,
        "near_rows": of.near_rows,
        **_hit_numbers(of.after),
        "ban_hits": sum(use.hits for use in of.phrases if use.kind == "ban") if of.rows else None,
        "limits_broken": sum(use.broken for use in of.phrases if use.kind == "limit") if of.rows else None,
        "n_judged": 0 if judged is None else judged.n,
        "consistency": None if agreement is None or agreement.consistency is None else agreement.consistency.value,
    }
    if judged is not None:
        numbers |= {"refusal_share": judged.refusal_share, "invalid_share": judged.invalid_share}
        if judged.mean is not None and judged.pass_rate is not None:
            numbers |= {"judge_mean": judged.mean.value, "judge_low": judged.mean.low}
            numbers |= {"pass_rate": judged.pass_rate.value, "pass_low": judged.pass_rate.low}
    return numbers


def _numbers_of_whole(report: Conformance) -> dict[str, float | None]:
    agreement = report.agreement
    return {
        "rows": report.whole.rows,
        **_hit_numbers(report.whole.after),
        "uncovered": len(report.uncovered) + len(report.near_only) if report.statements else None,
        "unjudged": len(report.unjudged) if report.statements else None,
        "consistency": None if agreement is None or agreement.consistency is None else agreement.consistency.value,
        "agreement": _agreement(report.calibration),
        "worse": None if report.against is None else _worse(report.against),
    }


def _hit_numbers(rate: HitRate) -> dict[str, float | None]:
    return {
        "hits": rate.hits if rate.rows else None,
        "hits_per_1k": rate.per_1k,
        "hits_per_row": rate.per_row,
        "hit_share": rate.share,
    }


def _agreement(calibration: Calibrated | None) -> float | None:
    """How far the judge agrees with labelled pairs; a calibration of another judge says nothing of this one."""
    if calibration is None or calibration.agreement is None or not calibration.is_judge:
        return None
    return calibration.agreement.value


def _worse(against: Against) -> int:
    changes = [change for each in against.statements for change in (each.hit_share, each.judge_mean, each.pass_rate)]
    changes += [against.hit_share, *(each.change for each in against.drift)]
    return sum(change.verdict == "worse" for change in changes)


def _whose(of: str) -> str:
    return "the whole folder" if of == WHOLE else of


def shown_number(got: float | None) -> str:
    """What a gate got, in words."""
    if got is None:
        return "nothing to measure"
    return f"{got:.4g}" if got < 1e4 else f"{got:,.0f}"
