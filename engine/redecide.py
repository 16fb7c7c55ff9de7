"""A finished folder judged by another policy or configuration, in a folder of its own.

What its stored spans still answer is not read again: a changed policy decides from them, a changed rule rescans.
"""

from __future__ import annotations

from pathlib import Path

from phrasemill.engine.assemble import check_names
from phrasemill.engine.manifest import read_manifest
from phrasemill.engine.run import GateFailed, RunOptions, RunReport, execute
from phrasemill.engine.settings import load_config, load_policy


def redecide(folder: Path, other: Path, out: Path, *, show_progress: bool | None = None) -> RunReport:
    """Judge the input of ``folder`` as the file ``other`` says, into ``out``; no model is asked.

    ``other``: a policy, or a whole configuration, whose packs, filters and traits then count too. A scan is scanned
    again, everything else is cleaned. A gate that fails is no failure here.

    Raises:
        ConfigError: the file cannot be used, or the folder has no manifest.

    """
    manifest = read_manifest(folder)
    config = load_config(folder / "config.yaml")
    policy, whole = load_policy(other)
    changed: dict[str, object] = {"policy": policy}
    if whole is not None:
        changed |= {
            "packs": whole.packs,
            "filters": whole.filters,
            "traits": whole.traits,
            "overrides": whole.overrides,
        }
    config = config.model_copy(update=changed)
    check_names(config)
    options = RunOptions(
        mode="scan" if manifest.command == "scan" else "clean",
        limit=manifest.limit,
        head=manifest.head,
        base=folder,
        show_progress=show_progress,
    )
    try:
        return execute(config, out, options)
    except GateFailed as failed:
        return failed.report
