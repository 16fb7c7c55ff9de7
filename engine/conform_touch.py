"""Which prompts touch a statement: word for word one of its probe prompts, or merely like a prompt of its own.

"Like" is cheap and knows no meaning: two prompts are alike that share at least half of their distinct long words. The
rarest words of each prompt of a statement are looked up first, so that the cost grows with the data and not with data
times statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from phrasemill.schemas.trait import Trait

MIN_OVERLAP: Final = 0.5
"""Shared words over all words of two prompts, each counted once."""

_WORD: Final = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]|[\p{L}\p{N}]{4,}"
"""Words of four letters or more; in scripts without spaces each character."""

_NOT_WORD: Final = r"[^\p{L}\p{N}]+"


@dataclass(frozen=True, slots=True)
class Anchors:
    """The prompts of statements, as columns.

    ``exact``: said, trait. ``words``: anchor, word. ``rare``: the same of an anchor's rarer words alone. ``sizes``:
    anchor, trait, size (its distinct words).
    """

    exact: pl.DataFrame
    words: pl.DataFrame
    rare: pl.DataFrame
    sizes: pl.DataFrame


def anchors_of(traits: Iterable[Trait]) -> Anchors:
    """What rows are compared with: probe prompts word for word, and every prompt, of examples too, in a like form."""
    traits = tuple(traits)
    exact = sorted({(_plain(prompt), trait.id) for trait in traits for prompt in trait.probe_prompts})
    like = sorted({(trait.id, prompt) for trait in traits for prompt in _prompts(trait)})
    schema = {"anchor": pl.UInt32, "trait": pl.String, "prompt": pl.String}
    prompts = pl.DataFrame([(at, *each) for at, each in enumerate(like)], schema=schema, orient="row")
    words = _words(prompts.select("anchor", text="prompt"), "anchor")
    sizes = words.group_by("anchor").len("size").join(prompts, on="anchor").select("anchor", "trait", "size")
    order = words.with_columns(seen=pl.len().over("word")).sort("anchor", "seen", "word")
    # Prompts that share half of their words share at least one of the rarer half and one more.
    rank = pl.int_range(pl.len()).over("anchor")
    rare = order.filter(rank <= pl.len().over("anchor") // 2).select("anchor", "word")
    said = pl.DataFrame(exact, schema={"said": pl.String, "trait": pl.String}, orient="row").filter(
        pl.col("said") != ""
    )
    return Anchors(said, words, rare, sizes)


def touched(prompts: pl.Series, anchors: Anchors) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(at, trait) of the prompts that are a probe, and of those that are only like one; ``at`` is the index."""
    frame = pl.DataFrame({"at": pl.int_range(len(prompts), dtype=pl.UInt32, eager=True), "text": prompts})
    probes = _exact(frame, anchors)
    near = _near(frame, anchors)
    return probes, near.join(probes, on=["at", "trait"], how="anti")


def _exact(frame: pl.DataFrame, anchors: Anchors) -> pl.DataFrame:
    if anchors.exact.is_empty():
        return _no_pairs()
    said = frame.select("at", said=_plain_column("text"))
    return said.join(anchors.exact, on="said").select("at", "trait").unique().sort("at", "trait")


def _near(frame: pl.DataFrame, anchors: Anchors) -> pl.DataFrame:
    if anchors.sizes.is_empty():
        return _no_pairs()
    longest = anchors.sizes["size"].max()
    words = _words(frame, "at").with_columns(own=pl.len().over("at")).filter(pl.col("own") * MIN_OVERLAP <= longest)
    candidates = words.join(anchors.rare, on="word").select("at", "anchor", "own").unique()
    shared = (
        candidates.join(anchors.words, on="anchor")
        .join(words.select("at", "word"), on=["at", "word"])
        .group_by("at", "anchor", "own")
        .len("shared")
        .join(anchors.sizes, on="anchor")
    )
    union = pl.col("own").cast(pl.Int64) + pl.col("size") - pl.col("shared")
    alike = shared.filter((pl.col("shared") >= MIN_OVERLAP * union) & (pl.col("shared") >= 2))
    return alike.select("at", "trait").unique().sort("at", "trait")


def _words(frame: pl.DataFrame, key: str) -> pl.DataFrame:
    """(key, word), each word of a text once."""
    found = frame.select(key, word=pl.col("text").str.to_lowercase().str.extract_all(_WORD)).explode("word")
    return found.drop_nulls().unique()


def _plain_column(name: str) -> pl.Expr:
    """The words of a text without case and punctuation: two texts are the same word for word where these are equal."""
    return pl.col(name).str.to_lowercase().str.replace_all(_NOT_WORD, " ").str.strip_chars()


def _plain(text: str) -> str:
    return str(pl.DataFrame({"text": [text]}).select(_plain_column("text")).item())


def _prompts(trait: Trait) -> Sequence[str]:
    return (*trait.probe_prompts, *(turn.prompt for turn in (*trait.do, *trait.dont)))


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema={"at": pl.UInt32, "trait": pl.String})
