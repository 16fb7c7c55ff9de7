"""The command line's main commands as functions: the same work, the same errors, and a Result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phrasemill.engine.assemble import assemble, check_names
from phrasemill.engine.result import Result, open_result
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import load_config, resolved
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.policy import Policy

__all__ = ["Result", "clean", "open_result", "run", "scan"]


def clean(
    input: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    policy: Policy | str | Path | None = None,
    packs: Sequence[str] | None = None,
    limit: int | None = None,
    workers: int | None = None,
) -> Result:
    """Repair without a model; rows that need one are dropped with the reason ``needs_model``.

    ``policy``: a Policy, or a file that holds one or a whole configuration; None: the default. ``packs``: names or
    paths; None: those of that configuration, else ``core-en``. ``limit``: a seeded sample of so many rows.

    Raises:
        PhrasemillError: as on the command line; after a GateError everything is published (``open_result``).

    """
    options = RunOptions(mode="clean", limit=limit, workers=workers)
    return _do(assemble(_listed(input), policy, packs), out, options)


def scan(
    input: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    policy: Policy | str | Path | None = None,
    packs: Sequence[str] | None = None,
    limit: int | None = None,
    workers: int | None = None,
) -> Result:
    """Find only. With a policy, spans say what it would do with each hit. Otherwise as ``clean``."""
    options = RunOptions(mode="scan", limit=limit, workers=workers, decides=policy is not None)
    return _do(assemble(_listed(input), policy, packs), out, options)


def run(
    config: RunConfig | str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
    limit: int | None = None,
    workers: int | None = None,
) -> Result:
    """Find, decide, repair and regenerate, as the configuration says; in the same folder again to resume.

    ``base``: an earlier folder, of which everything unchanged is taken over.

    Raises:
        PhrasemillError: as on the command line; after a GateError everything is published (``open_result``).

    """
    loaded = resolved(config, Path.cwd()) if isinstance(config, RunConfig) else load_config(Path(config))
    check_names(loaded)
    earlier = None if base is None else open_result(base).out
    return _do(loaded, out, RunOptions(mode="run", limit=limit, workers=workers, base=earlier))


def _do(config: RunConfig, out: str | Path, options: RunOptions) -> Result:
    report = execute(config, Path(out), options)
    return Result(report.out, report.manifest)


def _listed(input: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return (input,) if isinstance(input, (str, Path)) else input
