"""What a row reader gives: the rows of one batch before they are conversations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.engine.ingest_columns import Column
from phrasemill.engine.ingest_fit import Late
from phrasemill.engine.ingest_quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows in order of ``row``, their index in the shard.

    ``consumed``: the shape's columns by input name; ``passed``: the fields of the plan's schema; ``late``: values that
    the schema does not hold, by place in the batch; ``raw``: JSON of the row at a place; ``quarantine``: rows of the
    same stretch of the shard that were found unusable already, and are none of these.
    """

    row: npt.NDArray[np.int64]
    consumed: dict[str, Column]
    passed: list[pa.Array]
    late: Late
    raw: Callable[[int], bytes]
    quarantine: Quarantine
