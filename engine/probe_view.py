"""What a probe found, trait by trait, counted from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from phrasemill.engine.query import run_sql

_TRAITS: Final = r"""WITH asked AS (SELECT trait_id AS trait, count(DISTINCT (shard, row)) AS asked
    FROM generations GROUP BY trait_id),
hit AS (SELECT DISTINCT shard, row FROM spans WHERE exempt IS NULL),
answered AS (SELECT pm_trait_id AS trait, count(*) AS answered, count(h.shard) AS with_hits,
    median(len(regexp_extract_all(messages[-1].content, '\S+'))) AS words
    FROM sft s LEFT JOIN hit h ON h.shard = s.pm_shard AND h.row = s.pm_row GROUP BY pm_trait_id)
SELECT trait, asked, coalesce(answered, 0) AS answered, coalesce(with_hits, 0) AS with_hits,
    coalesce(words, 0)::INTEGER AS words
FROM asked LEFT JOIN answered USING (trait) ORDER BY trait"""


def probed_traits(out: Path) -> pa.Table:
    """A line a trait: prompts asked, answers, answers with a hit that counts, and the median of their words."""
    return run_sql(out, _TRAITS)
