"""Whether an output folder may be written by a run: one configuration each, and never a part of its own input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from phrasemill.engine.settings import differences, load_config
from phrasemill.engine.shards import InputPlan
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import ConfigError


def refuse_other_config(out: Path, config: RunConfig) -> None:
    """A folder belongs to one configuration; another one wants another folder."""
    if is_begun(out) and (changed := differences(load_config(out / "config.yaml"), config)):
        raise other_config(out, changed)


def is_begun(out: Path) -> bool:
    """Whether a shard may have been judged there: until then nothing binds the folder."""
    return (out / "config.yaml").exists() and (out / "_commits").exists()


def other_config(out: Path, changed: Sequence[str]) -> ConfigError:
    """The error of a folder that another configuration wrote, with the differences."""
    listed = "\n  ".join(changed)
    return ConfigError(
        f"{out}: was written with another configuration:\n  {listed}\n"
        f"write to a new folder and take over what is unchanged: run CONFIG -o NEW --base {out}"
    )


def refuse_output_in_input(plan: InputPlan, out: Path) -> None:
    """Refuse an output folder that holds a file of the input: the next run would read what this one wrote."""
    for file in plan.files:
        if Path(file.path).is_absolute() and Path(file.path).is_relative_to(out):
            raise ConfigError(f"{out}: the input {file.path} lies inside the output folder; write somewhere else")
