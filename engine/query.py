"""Questions to an output folder in SQL: DuckDB with the catalog's views, and nothing else within its reach."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from phrasemill.engine.catalog import VIEWS, render_catalog
from phrasemill.engine.manifest import read_manifest
from phrasemill.schemas.errors import ConfigError, IntegrityError

MEMORY_LIMIT: Final = "1GB"


def open_catalog(out: Path, memory_limit: str = MEMORY_LIMIT) -> duckdb.DuckDBPyConnection:
    """Open a connection with the views of ``out``. It reads files of that folder only; its settings are locked.

    Raises:
        ConfigError: the folder has no manifest. IntegrityError: a file that the manifest lists cannot be read.

    """
    root = out.resolve()
    manifest = read_manifest(root)
    spill = Path(tempfile.gettempdir()) / f"phrasemill-sql-{os.getpid()}"
    connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": str(spill)})
    connection.execute("SET allowed_directories = ?", [[str(root)]])
    connection.execute("SET enable_external_access = false")
    try:
        connection.execute(render_catalog(manifest, root))
    except duckdb.Error as error:
        connection.close()
        raise IntegrityError(f"{out}: the views cannot be made: {error}; see: phrasemill verify {out}") from error
    connection.execute("SET lock_configuration = true")
    return connection


def run_sql(out: Path, sql: str) -> pa.Table:
    """Return the answer to one SELECT (also FROM, WITH, DESCRIBE, SUMMARIZE) over the views of ``out``.

    Raises:
        ConfigError: the text is not one question, or DuckDB refuses it; names the views there are.

    """
    with open_catalog(out) as connection:
        try:
            statements = connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise ConfigError(f"got {len(statements)} statements that are not one SELECT, expected one: {sql}")
            return connection.sql(statements[0].query).to_arrow_table()
        except duckdb.Error as error:
            raise ConfigError(f"the query failed: {error}\nviews: {', '.join(VIEWS)}") from error
