"""The Arrow schema of every table that phrasemill reads or writes between its parts.

Offsets (``start``, ``stop``, ``cut_start``, ``cut_stop``) are code points, half-open, in the original text of a turn.
A row is known by ``(shard, row)``: ``shard`` is the shard key, ``row`` the index of the row inside that shard;
``row_id`` is the row's ``id``, for people, and may repeat.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

PREFIX: Final = "pm_"
"""Columns that phrasemill adds to published data start with this."""

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
"""Roles that a message may have; others send the row to quarantine."""

FIELDS: Final = ("messages", "prompt", "chosen", "rejected")
"""Where a turn can stand. Assistant turns of ``messages``, ``prompt`` and ``chosen`` are mended: they are published as
SFT data. ``rejected`` is only tagged."""

MENDED_FIELDS: Final = ("messages", "prompt", "chosen")

OUTCOMES: Final = ("kept", "repaired", "regenerated", "dropped", "quarantined")

ACTIONS: Final = ("tag", "strip", "regenerate", "drop")
"""What a policy can do with a hit, from mildest to hardest."""

CATEGORIES: Final = (
    "opener",
    "ai_self_reference",
    "identity_leak",
    "refusal",
    "closer",
    "hedge",
    "leaked_markup",
    "sycophancy",
    "moralising",
    "contrast",
    "slop",
    "repetition",
)
"""The built-in categories; packs may add others."""

EXEMPTIONS: Final = (
    "code",
    "quote",
    "json",
    "url",
    "reasoning",
    "asked",
    "deliverable",
    "roleplay",
    "answer",
    "override",
)
"""Why the text itself excuses a hit, or, with ``override``, a person. Such hits stay and are never acted on."""

MESSAGE: Final = pa.struct([pa.field("role", pa.large_string()), pa.field("content", pa.large_string())])
MESSAGES: Final = pa.large_list(MESSAGE)

TURNS: Final = pa.schema(
    [
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("role", pa.large_string()),
        ("text", pa.large_string()),
        ("previous_user", pa.large_string()),
    ]
)
"""The turn table of a batch: what filters see. One row a turn; ``previous_user`` is the nearest user turn before it."""

SPANS: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("start", pa.int32()),
        ("stop", pa.int32()),
        ("rule_id", pa.large_string()),
        ("category", pa.large_string()),
        ("filter", pa.large_string()),
        ("score", pa.float32()),
        ("text", pa.large_string()),
        ("exempt", pa.large_string()),
        ("cut_start", pa.int32()),
        ("cut_stop", pa.int32()),
        ("action", pa.large_string()),
    ]
)
"""Evidence. ``exempt`` is null where the hit counts. ``cut_start:cut_stop`` is what a strip removes; null: no strip.
``action`` is what the policy does with the hit; null where it does nothing (exempt, allowed by a trait, no policy)."""

ORIGINALS: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("text", pa.large_string()),
    ]
)
"""The original text of every turn that has a span."""

VERDICTS: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("action", pa.large_string()),
        ("outcome", pa.large_string()),
        ("reasons", pa.large_list(pa.large_string())),
    ]
)
"""One row per input row. ``action`` is what the policy planned: keep, strip, regenerate, drop or quarantine."""

GENERATIONS: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("attempt", pa.int32()),
        ("recipe", pa.large_string()),
        ("trait_id", pa.large_string()),
        ("trait_hash", pa.large_string()),
        ("backend", pa.large_string()),
        ("model", pa.large_string()),
        ("seed", pa.int64()),
        ("params", pa.large_string()),
        ("request_hash", pa.large_string()),
        ("text", pa.large_string()),
        ("finish_reason", pa.large_string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("hits_left", pa.large_list(pa.large_string())),
        ("judge_score", pa.float32()),
        ("outcome", pa.large_string()),
        ("reason", pa.large_string()),
        ("seconds", pa.float32()),
    ]
)
"""Every request to a model. ``outcome`` is accepted, rejected, failed or cancelled; ``params`` is JSON."""

QUARANTINE: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("reason", pa.large_string()),
        ("detail", pa.large_string()),
        ("source", pa.large_string()),
        ("raw", pa.large_string()),
        ("raw_bytes", pa.int64()),
        ("raw_blake3", pa.large_string()),
    ]
)
"""Rows that cannot be used. ``raw`` is JSON of the row (or base64 where it is not text), cut at 64 KiB; ``raw_bytes``
and ``raw_blake3`` describe the whole."""

QUERIES: Final = pa.schema(
    [
        ("id", pa.large_string()),
        ("messages", MESSAGES),
        ("pm_trait_id", pa.large_string()),
        ("pm_trait_hash", pa.large_string()),
        ("pm_length", pa.large_string()),
        ("pm_aim", pa.large_string()),
        ("pm_source", pa.large_string()),
        ("pm_shard", pa.large_string()),
        ("pm_row", pa.int64()),
    ]
)
"""``data/queries``: user messages to answer, one a row. ``pm_length``: short (1 to 15 words), medium (16 to 40), long;
``pm_aim``: presence (the trait should show) or absence; ``pm_source``: model, probe or example. ``pm_row``: the request
that it came from, so several rows may share one."""

JUDGEMENTS: Final = pa.schema(
    [
        ("shard", pa.large_string()),
        ("row", pa.int64()),
        ("row_id", pa.large_string()),
        ("field", pa.large_string()),
        ("turn", pa.int32()),
        ("trait_id", pa.large_string()),
        ("trait_hash", pa.large_string()),
        ("method", pa.large_string()),
        ("score", pa.float32()),
        ("label", pa.large_string()),
        ("text", pa.large_string()),
        ("other", pa.large_string()),
        ("model", pa.large_string()),
        ("template", pa.int32()),
        ("request_hash", pa.large_string()),
        ("seconds", pa.float32()),
    ]
)
"""What a judge said. ``method`` pointwise: ``score`` 0 to 100, ``label`` scored, refusal, invalid (no usable answer)
or addressed (the answer speaks to its judge, which was not asked).
``method`` pairwise, ``text`` against ``other`` in both orders: ``label`` first, second, tie, inconsistent,
invalid or addressed."""
