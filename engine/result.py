"""A published folder as Python sees it: its manifest, its tables as polars frames, and SQL over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from phrasemill.engine.catalog import SCHEMAS
from phrasemill.engine.manifest import Manifest, Totals, read_manifest, totals
from phrasemill.engine.query import run_sql
from phrasemill.schemas.errors import IntegrityError


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left in ``out``. Frames are read when asked for, from exactly the files that the manifest names.

    A table that was not published is an empty frame with its columns.
    """

    out: Path
    manifest: Manifest

    @property
    def totals(self) -> Totals:
        """Sums over all shards."""
        return totals(self.manifest)

    def sft(self) -> pl.DataFrame:
        """Conversations to train on."""
        return self._table("sft")

    def preference(self) -> pl.DataFrame:
        """Pairs: prompt, chosen, rejected."""
        return self._table("preference")

    def spans(self) -> pl.DataFrame:
        """Every hit with its offsets in code points of the original."""
        return self._table("spans")

    def originals(self) -> pl.DataFrame:
        """The original text of every turn with a hit."""
        return self._table("originals")

    def verdicts(self) -> pl.DataFrame:
        """One line an input row: what was planned, how it ended and why."""
        return self._table("verdicts")

    def generations(self) -> pl.DataFrame:
        """Every request to a model."""
        return self._table("generations")

    def quarantine(self) -> pl.DataFrame:
        """Rows that cannot be used, and why."""
        return self._table("quarantine")

    def sql(self, query: str) -> pl.DataFrame:
        """The answer to one SELECT over the views of the catalog. ConfigError names the views there are."""
        answer = pl.from_arrow(run_sql(self.out, query))
        return answer if isinstance(answer, pl.DataFrame) else answer.to_frame()

    def _table(self, name: str) -> pl.DataFrame:
        paths = [self.out / file.path for file in self.manifest.files(name)]
        if not paths:
            return pl.DataFrame(pl.from_arrow(SCHEMAS[name].empty_table()))
        try:
            return pl.read_parquet(paths, glob=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise IntegrityError(
                f"{self.out}: {name} cannot be read: {error}; see: phrasemill verify {self.out}"
            ) from error


def open_result(out: str | Path) -> Result:
    """The folder that a run, clean or scan has written.

    Raises:
        ConfigError: the folder has no manifest. IntegrityError: the manifest is damaged.

    """
    folder = Path(out).resolve()
    return Result(folder, read_manifest(folder))
