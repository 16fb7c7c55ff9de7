"""What a judged batch publishes: SFT rows, preference pairs, and the rows that wait for a model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from phrasemill.engine.columns import (
    choices,
    constant,
    join_lists,
    list_lengths,
    replace_contents,
    single,
    sparse_strings,
)
from phrasemill.engine.evidence import PLANNED
from phrasemill.engine.fates import (
    KEPT,
    REGENERATED,
    REPAIRED,
    Codes,
    RowFate,
    acted_hits,
    acted_rules,
    refusals,
    refuses,
)
from phrasemill.engine.judge_turns import JudgedTurn
from phrasemill.engine.pairs import PREFERENCE, MendedTurn
from phrasemill.engine.sft import (
    STALE_KEYS,
    conversation_hash,
    sft_schema,
    sft_table,
    waiting_schema,
    without_keys,
)
from phrasemill.filters.hits import Hit


@dataclass(frozen=True, slots=True)
class LaidOut:
    """``sft`` and ``waiting`` rows, the mended turns that may make pairs, and pairs that came in as pairs.

    ``withheld`` counts pairs that came in and are not published, by reason.
    """

    sft: pa.Table
    waiting: pa.Table
    mended: list[MendedTurn]
    input_pairs: pa.Table
    withheld: Counter[str]


def lay_out(
    table: pa.Table,
    row: pa.Array,
    shard: str,
    passthrough: pa.Schema,
    fates: dict[int, RowFate],
    action: Codes,
    outcome: Codes,
    protected: frozenset[int] = frozenset(),
) -> LaidOut:
    """Lay out one batch. ``fates``, ``action`` and ``outcome`` are by position in ``table``.

    ``protected``: rows whose input pair would teach compliance where the rejected side refused.
    """
    is_pair = "chosen" in table.column_names
    own = single(table, "chosen" if is_pair else "messages")
    prompt = single(table, "prompt") if is_pair else None
    before = own if prompt is None else join_lists(prompt, own)
    mended = replace_contents(own, _texts(fates, "chosen" if is_pair else "messages"))
    if prompt is not None:
        prompt = replace_contents(prompt, _texts(fates, "prompt"))
    whole = mended if prompt is None else join_lists(prompt, mended)
    shift = np.zeros(len(table), dtype=np.int64) if prompt is None else list_lengths(prompt)
    changed = [position for position in fates if outcome[position] in (REPAIRED, REGENERATED)]
    out = sft_table(
        table,
        whole,
        row,
        shard,
        sft_schema(passthrough),
        action=choices(action, PLANNED),
        rules={position: fates[position].rules for position in changed},
        hashes={position: conversation_hash(before[position].as_py()) for position in changed},
    )
    out = _without_stale_extras(out, fates, shift)
    waits = outcome == REGENERATED
    todo = {
        position: _todo(fates[position], int(shift[position]), table, position, protected=position in protected)
        for position in np.flatnonzero(waits).tolist()
    }
    field = waiting_schema(passthrough).field(len(out.schema))
    waiting = out.append_column(field, sparse_strings(len(out), todo)).filter(pa.array(waits))
    ready = pa.array(np.isin(outcome, (KEPT, REPAIRED)))
    repaired = {position: fate for position, fate in fates.items() if outcome[position] == REPAIRED}
    pairs, withheld = PREFERENCE.empty_table(), Counter[str]()
    if is_pair:
        rejected = single(table, "rejected")
        same = [position for position in repaired if mended[position].as_py() == rejected[position].as_py()]
        differs = np.isin(outcome, (KEPT, REPAIRED))
        guarded = [position for position in protected if differs[position] and position not in same]
        differs[same] = False
        differs[guarded] = False
        withheld = Counter({"identical": len(same), "refusal_protected": len(guarded)}) + Counter()
        pairs = _input_pairs(table, prompt, mended, out).filter(pa.array(differs))
    return LaidOut(out.filter(ready), waiting, _mended_turns(out, repaired, shift, shard), pairs, withheld)


def _texts(fates: dict[int, RowFate], field: str) -> dict[tuple[int, int], str]:
    """Mended texts of one field, by position and turn."""
    return {
        (position, turn): judged.text
        for position, fate in fates.items()
        for turn, judged in fate.turns
        if judged.text is not None and judged.field == field
    }


def _without_stale_extras(out: pa.Table, fates: dict[int, RowFate], shift: Codes) -> pa.Table:
    """The rows without extra keys that repeat a mended turn as it was."""
    extras = single(out, "pm_messages_extra")
    if extras.null_count == len(extras):
        return out
    values = extras.to_pylist()
    for position, fate in fates.items():
        if values[position] is not None:
            turns = {
                _place(turn, judged, int(shift[position])) for turn, judged in fate.turns if judged.text is not None
            }
            values[position] = without_keys(orjson.loads(values[position]), turns, STALE_KEYS)
    place = out.schema.get_field_index("pm_messages_extra")
    return out.set_column(place, out.schema.field(place), pa.array(values, pa.large_string()))


def _place(turn: int, judged: JudgedTurn, shift: int) -> int:
    """Where a turn stands in the whole conversation: what is chosen follows ``shift`` turns of the prompt."""
    return turn if judged.field == "prompt" else shift + turn


def _todo(fate: RowFate, shift: int, table: pa.Table, position: int, *, protected: bool) -> str:
    """JSON of a waiting row: its turns to write or already mended, and the rejected side that came with it."""
    turns = [
        {
            "turn": _place(turn, judged, shift),
            "action": judged.action,
            "original": judged.original,
            "mended": judged.text,
            "refused": refuses(judged.hits),
            "refuses": refuses(judged.left),
            "hits": _told(judged, acted_hits(judged)),
            "refusals": _told(judged, refusals(judged.hits)),
        }
        for turn, judged in fate.turns
    ]
    rejected = table["rejected"][position].as_py() if "rejected" in table.column_names else None
    return orjson.dumps({"shift": shift, "turns": turns, "rejected": rejected, "protected": protected}).decode()


def _told(judged: JudgedTurn, hits: list[Hit]) -> list[list[str]]:
    return [[hit.rule_id, hit.category, judged.original[hit.start : hit.stop]] for hit in hits]


def _mended_turns(out: pa.Table, fates: dict[int, RowFate], shift: Codes, shard: str) -> list[MendedTurn]:
    messages, ids, row = single(out, "messages"), single(out, "id"), single(out, "pm_row")
    turns: list[MendedTurn] = []
    for position, fate in fates.items():
        conversation = messages[position].as_py()
        for turn, judged in fate.turns:
            at = _place(turn, judged, int(shift[position]))
            turns.append(
                MendedTurn(
                    shard=shard,
                    row=row[position].as_py(),
                    row_id=ids[position].as_py(),
                    turn=at,
                    prefix=conversation[:at],
                    original=judged.original,
                    mended=judged.text or "",
                    rules=acted_rules(judged),
                    kind="strip",
                    refused=refuses(judged.hits),
                    refuses=refuses(judged.left),
                )
            )
    return turns


def _input_pairs(table: pa.Table, prompt: pa.LargeListArray, chosen: pa.LargeListArray, out: pa.Table) -> pa.Table:
    """The pairs of a preference input, with the mended prompt and chosen side."""
    count = len(table)
    row = out["pm_row"].cast(pa.large_string())
    kind, dash = (pa.scalar(text, pa.large_string()) for text in ("input", "-"))
    ids = pc.binary_join_element_wise(out["pm_shard"], row, kind, dash)
    rejected = single(table, "rejected")
    columns = {
        "id": ids,
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        "pm_row_id": out["id"],
        "pm_trait_id": constant(None, count),
        "pm_reason": constant("input", count),
        "pm_kind": constant("input", count),
        "pm_length_ratio": pa.array(_lengths(chosen) / np.maximum(_lengths(rejected), 1), pa.float32()),
        "pm_margin": pa.nulls(count, pa.float32()),
        "pm_trait_hash": constant(None, count),
        "pm_shard": out["pm_shard"],
        "pm_row": out["pm_row"],
        "pm_turn": pa.array(list_lengths(single(table, "prompt")), pa.int32()),
    }
    return pa.Table.from_pydict(columns, schema=PREFERENCE)


def _lengths(messages: pa.LargeListArray) -> Codes:
    """Code points of all contents of each row."""
    sizes = pc.utf8_length(messages.flatten().field(1)).to_numpy(zero_copy_only=False)
    total = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.cumsum(list_lengths(messages))
    return np.asarray(total[ends] - total[ends - list_lengths(messages)], dtype=np.int64)
