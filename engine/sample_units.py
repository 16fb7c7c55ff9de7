"""Which turns of a folder a sample is drawn from: a view ``units`` with a line for each turn and rule, without texts.

Columns: ``shard, row, field, turn, trait, rule, category, recipe, outcome``. ``turn`` is -1 where it is known only once
the texts are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from phrasemill.engine.manifest import Manifest

UNKNOWN: Final = -1

_HITS: Final = "SELECT DISTINCT shard, row, rule_id, category FROM spans_b WHERE exempt IS NULL AND field <> 'rejected'"

_PUT_IN: Final = """SELECT pm_shard AS shard, pm_row AS row, rule_id, NULL AS category
FROM preference_b, unnest(string_split(pm_reason, ',')) AS named(rule_id) WHERE pm_kind = 'inject'"""
"""Rules by which ``inject`` made a rejected side worse; the tables do not say their categories."""


def cleaned_units(manifest: Manifest, by: Sequence[str]) -> str:
    """Turns on which the policy acted; of a scan, or by outcome, every turn with a hit that counts."""
    every = manifest.command == "scan" or "outcome" in by
    acted = "" if every else "AND action IS NOT NULL AND action <> 'tag'"
    return f"""CREATE TEMP VIEW units AS
WITH hits AS (SELECT DISTINCT shard, row, field, turn, rule_id, category FROM spans_b
    WHERE exempt IS NULL AND field <> 'rejected' {acted}),
asked AS (SELECT shard, row, field, turn, arg_max(trait_id, attempt) AS trait, arg_max(recipe, attempt) AS recipe
    FROM generations_b GROUP BY shard, row, field, turn)
SELECT h.shard, h.row, h.field, h.turn, a.trait, h.rule_id AS rule, h.category,
    coalesce(a.recipe, v.action) AS recipe, v.outcome
FROM hits h JOIN verdicts_b v ON v.shard = h.shard AND v.row = h.row
LEFT JOIN asked a ON a.shard = h.shard AND a.row = h.row AND a.field = h.field AND a.turn = h.turn"""


def generated_units(manifest: Manifest) -> str:
    """Rows that a model wrote; where there is none, the queries that it wrote.

    A row stands under the rules that find something in it, and under those whose tics were put into its rejected side.
    """
    if not manifest.files("sft"):
        return """CREATE TEMP VIEW units AS
SELECT pm_shard AS shard, pm_row AS row, 'messages' AS field,
    row_number() OVER (PARTITION BY pm_shard, pm_row ORDER BY id) - 1 AS turn,
    pm_trait_id AS trait, NULL AS rule, NULL AS category, 'queries' AS recipe, pm_aim AS outcome FROM queries_b"""
    return f"""CREATE TEMP VIEW units AS
SELECT s.pm_shard AS shard, s.pm_row AS row, 'messages' AS field, {UNKNOWN} AS turn, s.pm_trait_id AS trait,
    h.rule_id AS rule, h.category, s.pm_recipe AS recipe, s.pm_action AS outcome
FROM sft_b s LEFT JOIN ({_HITS} UNION {_PUT_IN}) h ON h.shard = s.pm_shard AND h.row = s.pm_row
WHERE s.pm_trait_id IS NOT NULL"""


def changed_units(differing: Path, manifest: Manifest) -> str:
    """Rows of both folders of which what is published, how they ended or their hits differ.

    A row stands under the rules whose hits differ, where some do. ``differing``: a file that ``diff`` wrote.
    """
    recipe = "sb.pm_recipe" if manifest.command in ("generate", "probe") else "vb.action"
    return f"""CREATE TEMP TABLE changes_b AS FROM read_parquet('{_quoted(differing)}');
CREATE TEMP TABLE units AS
WITH said_a AS (SELECT pm_shard AS shard, pm_row AS row, hash(messages) AS said FROM sft_a),
said_b AS (SELECT pm_shard AS shard, pm_row AS row, hash(messages) AS said FROM sft_b),
rewritten AS (SELECT a.shard, a.row FROM said_a a JOIN said_b b ON a.shard = b.shard AND a.row = b.row
    WHERE a.said <> b.said),
every AS (SELECT shard, row FROM rewritten UNION SELECT shard, row FROM changes_b),
hits AS ({_HITS} UNION {_HITS.replace("spans_b", "spans_a")}),
changes AS (SELECT shard, row, unnest(list_concat(list_concat(lost, gained), redecided)) AS said FROM changes_b),
changed AS (SELECT DISTINCT c.shard, c.row, split_part(c.said, ': ', 1) AS rule_id FROM changes c),
named AS (SELECT c.shard, c.row, c.rule_id, any_value(h.category) AS category
    FROM changed c LEFT JOIN hits h USING (shard, row, rule_id) GROUP BY c.shard, c.row, c.rule_id),
told AS (FROM named UNION ALL SELECT h.* FROM hits h ANTI JOIN named n ON n.shard = h.shard AND n.row = h.row)
SELECT e.shard, e.row, 'messages' AS field, {UNKNOWN} AS turn,
    coalesce(sb.pm_trait_id, sa.pm_trait_id) AS trait, h.rule_id AS rule, h.category, {recipe} AS recipe,
    CASE WHEN va.outcome = vb.outcome THEN vb.outcome ELSE va.outcome || ' to ' || vb.outcome END AS outcome
FROM every e JOIN verdicts_a va ON va.shard = e.shard AND va.row = e.row
JOIN verdicts_b vb ON vb.shard = e.shard AND vb.row = e.row
LEFT JOIN sft_a sa ON sa.pm_shard = e.shard AND sa.pm_row = e.row
LEFT JOIN sft_b sb ON sb.pm_shard = e.shard AND sb.pm_row = e.row
LEFT JOIN told h ON h.shard = e.shard AND h.row = e.row"""


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
