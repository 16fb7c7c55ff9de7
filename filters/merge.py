"""One tic, one span: hits of one category in one turn that overlap, touch, or stand side by side in a paragraph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phrasemill.filters.hits import Hit


def merge_hits(hits: Iterable[Hit], text: str) -> list[Hit]:
    """Hits of one turn, merged and sorted by start. ``text`` is that turn's.

    A hit that counts and one that is exempt never merge. The merged span has the rule of its longest part and the
    highest score; its cut spans all cuts, and is None where any part has none. Of two rules for the very same span the
    smaller cut is taken, and one that has a cut goes before one that has none.
    """
    merged: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.category, h.exempt or "", h.start, -h.stop)):
        last = merged[-1] if merged else None
        if last is not None and _is_one(last, hit, text):
            merged[-1] = _join(last, hit)
        else:
            merged.append(hit)
    return sorted(merged, key=lambda h: (h.start, h.stop, h.category))


def combine(found: Sequence[Sequence[Hit]], text: str) -> list[Hit]:
    """Hits of one turn by several filters, in the order of the filters, as one list.

    Where two filters see the same tic the earlier one is believed: its bounds and its cut are the better ones. What is
    said of a turn as such stands beside everything else.
    """
    of_turn = [hit for hits in found for hit in hits if hit.whole]
    kept: list[Hit] = []
    for hits in found:
        seen = [hit for hit in hits if not hit.whole and not any(_is_known(hit, other) for other in kept)]
        kept.extend(seen)
    return sorted([*merge_hits(kept, text), *of_turn], key=lambda h: (h.start, h.stop, h.category, h.rule_id))


def _is_known(hit: Hit, other: Hit) -> bool:
    """Whether an earlier filter saw the tic: one that it excuses is no reason to pass over one that counts."""
    overlap = hit.start < other.stop and other.start < hit.stop
    return overlap and hit.category == other.category and (other.exempt is None or hit.exempt is not None)


def _is_one(last: Hit, hit: Hit, text: str) -> bool:
    if (last.category, last.exempt) != (hit.category, hit.exempt):
        return False
    gap = text[last.stop : hit.start]
    return hit.start <= last.stop or (gap.count("\n") < 2 and not gap.strip(" \t\r\n\u00a0*_"))


def _join(first: Hit, second: Hit) -> Hit:
    longer = second if second.stop - second.start > first.stop - first.start else first
    return first._replace(
        stop=max(first.stop, second.stop),
        rule_id=longer.rule_id,
        filter=longer.filter,
        score=max(first.score, second.score),
        cut=_join_cuts(first, second),
    )


def _join_cuts(first: Hit, second: Hit) -> tuple[int, int] | None:
    if (first.start, first.stop) == (second.start, second.stop):
        cuts = [cut for cut in (first.cut, second.cut) if cut is not None]
        return min(cuts, key=lambda cut: cut[1] - cut[0], default=None)
    inside = first.start <= second.start and second.stop <= first.stop
    if first.cut is not None and inside:
        return first.cut if second.cut is None else (min(first.cut[0], second.cut[0]), max(first.cut[1], second.cut[1]))
    if first.cut is None or second.cut is None:
        return None
    return min(first.cut[0], second.cut[0]), max(first.cut[1], second.cut[1])
