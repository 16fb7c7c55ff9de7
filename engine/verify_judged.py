"""Whether a folder of ``judge run`` is what ``judged.json`` says: its tables, every judgement once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from phrasemill.engine.judge_report import JUDGED_NAME, Judged, load_judged
from phrasemill.engine.verify_evidence import Problem
from phrasemill.engine.verify_folder import log_problems
from phrasemill.engine.verify_shard import plain_problem
from phrasemill.schemas.errors import IntegrityError

JUDGEMENTS: Final = "judgements"
_ONCE: Final = ("shard", "row", "field", "turn", "trait_id")


def judged_problems(out: Path) -> tuple[Judged | None, tuple[Problem, ...]]:
    """The report of the folder, None where it is damaged, and everything that is wrong."""
    try:
        report = load_judged(out)
    except IntegrityError as error:
        return None, (Problem(shard="", path=JUDGED_NAME, message=str(error).removeprefix(f"{out / JUDGED_NAME}: ")),)
    return report, (*_table_problems(out, report), *log_problems(out))


def _table_problems(out: Path, report: Judged) -> Iterator[Problem]:
    whole = True
    for file in report.files:
        if (message := plain_problem(out, file)) is not None:
            whole = False
            yield Problem(shard="", path=file.path, message=f"{message}; run the same command again")
    named = {file.path for file in report.files}
    found = sorted(path.relative_to(out).as_posix() for path in (out / JUDGEMENTS).rglob("*") if path.is_file())
    for path in found if report.files else ():
        if path not in named:
            yield Problem(shard="", path=path, message=f"is not in {JUDGED_NAME}: delete it")
    if not whole or not report.files:
        return
    rows = 0
    for file in report.files:
        keys = pl.read_parquet(out / file.path, columns=list(_ONCE), glob=False)
        rows += keys.height
        if keys.is_duplicated().any():
            yield Problem(shard="", path=file.path, message="has the same answer judged twice under one trait")
    expected = sum(trait.judged + trait.compared for trait in report.traits)
    if rows != expected:
        yield Problem(shard="", path=JUDGED_NAME, message=f"tells of {expected} judgements, but there are {rows}")
