"""The columns of an output folder: fixed when it is first written, so that later files never redo earlier ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa

from phrasemill.engine.beside import manifest_and_changed
from phrasemill.engine.manifest import COMMITS_NAME, write_atomic
from phrasemill.engine.shards import InputPlan

SCHEMA_NAME: Final = "_schema.arrow"


def with_frozen_schema(plan: InputPlan, out: Path) -> InputPlan:
    """The plan with the columns that ``out`` publishes already; what comes in other columns goes to ``pm_extra``.

    The same plan where nothing is published yet, where rows are read in another shape, or where the file that fixes
    them was changed: then the columns are those of the input again.
    """
    path = out / SCHEMA_NAME
    if not path.exists() or not (out / COMMITS_NAME).exists() or SCHEMA_NAME in manifest_and_changed(out)[1]:
        return plan
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(path.read_bytes()))
        reading = orjson.loads(schema.metadata[b"reading"])
    except (pa.ArrowException, KeyError, TypeError, ValueError):  # shards that it would change are refused by name
        return plan
    if reading["shape"] != repr(plan.shape):
        return plan
    return replace(
        plan,
        schema=schema.remove_metadata(),
        columns=tuple(reading["columns"]),
        json_columns=frozenset(reading["json_columns"]),
    )


def write_schema(plan: InputPlan, out: Path) -> None:
    """Fix the columns of ``out``."""
    reading = {"shape": repr(plan.shape), "columns": plan.columns, "json_columns": sorted(plan.json_columns)}
    schema = plan.schema.with_metadata({b"reading": orjson.dumps(reading)})
    write_atomic(out / SCHEMA_NAME, schema.serialize().to_pybytes())
