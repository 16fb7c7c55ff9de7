"""What the rules find in a model's answers, as evidence beside rows that nothing was done with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from phrasemill.engine.evidence import original_table, span_table
from phrasemill.engine.generate_lay_out import Ended
from phrasemill.engine.judge_turns import Judge, judge_turns
from phrasemill.engine.manifest import ShardCommit, part_path
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.tally import Tally
from phrasemill.filters.turns import turn_table
from phrasemill.schemas.config import OutputConfig
from phrasemill.schemas.tables import MESSAGES


def with_hits(
    work: Path, commit: ShardCommit, ended: Sequence[Ended], judge: Judge, output: OutputConfig
) -> ShardCommit:
    """The record of a block with the hits in its answers counted; their spans and texts are laid under ``work``.

    Offsets count code points of the published answer, which is its own original. No hit has an action.
    """
    rows = [each for each in ended if each.messages is not None]
    plain = [[message._asdict() for message in each.messages or ()] for each in rows]
    row = pa.array([each.item.row for each in rows], pa.int64())
    row_id = pa.array([each.item.row_id for each in rows], pa.large_string())
    every = turn_table("messages", pa.array(plain, MESSAGES)).having_role(judge.roles)
    turns = every.in_shard(commit.key, row)
    judged = judge_turns(turns, judge, judge.find(turns), may_mend=False, decides=False)
    tally = Tally()
    tally.add_turns(turns, judged)
    for turn in judged:
        tally.left.update(hit.category for hit in turn.left)
    tables = {
        "spans": span_table(commit.key, row, row_id, turns, judged),
        "originals": original_table(commit.key, row, row_id, turns, judged),
    }
    files = list(commit.files)
    for name, table in tables.items():
        published = part_path(name, commit.key)
        writer = PartWriter(work / published, published, table.schema, output.compression)
        writer.write(table)
        if (record := writer.close()) is not None:
            files.append(record)
    return commit.model_copy(update={"files": tuple(files), "hits": tally.categories(), "rules": dict(tally.rules)})
