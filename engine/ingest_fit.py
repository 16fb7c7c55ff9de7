"""Columns made to fit the frozen schema; values that do not fit, or came later, go to ``pm_extra``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from phrasemill.engine.ingest_columns import is_list, is_text, without_nulls
from phrasemill.engine.ingest_quarantine import row_json
from phrasemill.engine.shards import InputPlan

Late = dict[int, dict[str, Any]]
"""Row of a batch to the values that no column of the schema holds."""

_EXACT_FLOAT: Final = 2**53


def fit_table(batch: pa.RecordBatch, plan: InputPlan) -> tuple[list[pa.Array], Late]:
    """Return an Arrow batch's passthrough columns under the plan's schema (missing: null), and what does not fit."""
    late: Late = {}
    names = set(batch.schema.names)
    columns = []
    for name, item in zip(plan.columns, plan.schema, strict=True):
        array = batch.column(name) if name in names else pa.nulls(batch.num_rows, item.type)
        columns.append(_fit_array(array, name, item.type, late))
    known = {*plan.columns, *plan.shape.consumed}
    for name in batch.schema.names:
        if name not in known:
            _add_late(late, name, without_nulls(batch.column(name).to_pylist()))
    return columns, late


def fit_rows(rows: Sequence[dict[str, Any]], plan: InputPlan) -> tuple[list[pa.Array], Late]:
    """Return the passthrough columns of parsed JSON rows under the plan's schema, and what does not fit."""
    late: Late = {}
    columns = []
    for name, item in zip(plan.columns, plan.schema, strict=True):
        values = [row.get(name) for row in rows]
        if name in plan.json_columns:
            texts = [None if value is None else orjson.dumps(value).decode() for value in values]
            columns.append(pa.array(texts, item.type))
        else:
            columns.append(_fit_values(values, name, item.type, late))
    known = {*plan.columns, *plan.shape.consumed}
    for name in dict.fromkeys(name for row in rows for name in row if name not in known):
        _add_late(late, name, [row.get(name) for row in rows])
    return columns, late


def late_column(late: Late, n_rows: int) -> pa.LargeStringArray:
    """``pm_extra``: JSON of each row's late values, else null."""
    if not late:
        return pa.nulls(n_rows, pa.large_string())
    return pa.array([row_json(late[row]).decode() if row in late else None for row in range(n_rows)], pa.large_string())


def _fit_array(array: pa.Array, name: str, kind: pa.DataType, late: Late) -> pa.Array:
    if array.type == kind:
        return array
    try:
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        values = array.to_pylist()
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError):
        _add_late(late, name, without_nulls(values))
        return pa.nulls(len(values), kind)


def _fit_values(values: list[Any], name: str, kind: pa.DataType, late: Late) -> pa.Array:
    fitting = [value if value is None or _holds(kind, value) else None for value in values]
    try:
        array = pa.array(fitting, kind)
    except (pa.ArrowException, OverflowError):
        fitting = [value if _converts(kind, value) else None for value in fitting]
        array = pa.array(fitting, kind)
    missed = [value if kept is None else None for value, kept in zip(values, fitting, strict=True)]
    _add_late(late, name, missed)
    return array


def _holds(kind: pa.DataType, value: Any) -> bool:
    """Whether a JSON value is one of this type without being changed."""
    if is_text(kind):
        return isinstance(value, str)
    if isinstance(value, bool):
        return bool(pa.types.is_boolean(kind))
    if pa.types.is_integer(kind):
        return isinstance(value, int)
    if pa.types.is_floating(kind):
        return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _EXACT_FLOAT)
    if is_list(kind):
        return isinstance(value, list) and all(item is None or _holds(kind.value_type, item) for item in value)
    return False


def _converts(kind: pa.DataType, value: Any) -> bool:
    try:
        pa.scalar(value, kind)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _add_late(late: Late, name: str, values: Iterable[Any]) -> None:
    for row, value in enumerate(values):
        if value is not None:
            late.setdefault(row, {})[name] = value
