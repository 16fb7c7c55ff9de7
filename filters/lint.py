"""What is wrong with a pack before anybody runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from phrasemill.filters.compiled import CompiledRule, compile_rule
from phrasemill.filters.examples import Outcome, run_examples
from phrasemill.filters.packs import pack_files, read_pack_file
from phrasemill.schemas.errors import PackError
from phrasemill.schemas.rule import Rule

MIN_EXAMPLES: Final = 2
"""Examples of each kind, hit and miss, that a rule needs."""


class Finding(NamedTuple):
    """One complaint: ``code`` is stable, ``where`` is a file and a rule."""

    code: str
    where: str
    message: str


def lint_packs(names: Sequence[str]) -> list[Finding]:
    """Complaints about the packs: patterns outside the linear subset, missing examples, shadowed rules."""
    findings: list[Finding] = []
    for name in names:
        for path in pack_files(name):
            findings.extend(_lint_file(path))
    if any(finding.code in ("pattern", "duplicate") for finding in findings):
        return findings
    try:
        outcomes = run_examples(names)
    except PackError as error:
        return [*findings, Finding("duplicate", ", ".join(names), str(error))]
    return [*findings, *_shadowed(outcomes)]


def _lint_file(path: Path) -> list[Finding]:
    findings: list[Finding] = []
    pack = read_pack_file(path)
    for rule in pack.rules:
        where = f"{path}: rule {rule.id!r}"
        try:
            compile_rule(rule, pack, where)
        except PackError as error:
            findings.append(Finding("pattern", where, str(error)))
        findings.extend(_missing_examples(rule, where))
    return findings


def _missing_examples(rule: Rule, where: str) -> list[Finding]:
    return [
        Finding("examples", where, f"{len(examples)} {kind} examples; a rule needs at least {MIN_EXAMPLES}")
        for kind, examples in (("hit", rule.examples.hit), ("miss", rule.examples.miss))
        if len(examples) < MIN_EXAMPLES
    ]


def _shadowed(outcomes: Sequence[Outcome]) -> list[Finding]:
    """Rules whose every hit example is also hit, as widely and with a cut if it has one, by one other rule."""
    covers: dict[str, set[str]] = {}
    rules: dict[str, CompiledRule] = {}
    for outcome in outcomes:
        rule = outcome.case.rule
        if not outcome.case.wanted or not outcome.own:
            continue
        others = {
            hit.rule_id
            for hit in outcome.hits
            for own in outcome.own
            if hit.rule_id != rule.rule.id
            and hit.category == rule.rule.category
            and hit.start <= own.start
            and own.stop <= hit.stop
            and (own.cut is None or hit.cut is not None)
        }
        known = covers.get(rule.rule.id)
        covers[rule.rule.id] = others if known is None else known & others
        rules[rule.rule.id] = rule
    return [
        Finding(
            "shadowed",
            f"pack {rules[rule_id].pack!r}: rule {rule_id!r}",
            f"all its hit examples are also hit by {', '.join(sorted(others))}; join them or add what sets it apart",
        )
        for rule_id, others in sorted(covers.items())
        if others
    ]
