"""One tic, one span."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from phrasemill.filters.hits import Hit
from phrasemill.filters.merge import combine, merge_hits

TEXT = "Sure! Of course! Bread is baked. **Sure** thing, of course it is so."


def hit(
    start: int,
    stop: int,
    category: str = "opener",
    *,
    rule: str = "r",
    cut: tuple[int, int] | None = (0, 0),
    exempt: str | None = None,
    score: float = 1.0,
) -> Hit:
    return Hit(0, start, stop, rule, category, "regex", score, (start, stop) if cut == (0, 0) else cut, exempt)


def test_hits_that_touch_overlap_or_have_only_space_between() -> None:
    assert [found[1:3] for found in merge_hits([hit(0, 5), hit(6, 16)], TEXT)] == [(0, 16)]
    assert [found[1:3] for found in merge_hits([hit(0, 8), hit(6, 16)], TEXT)] == [(0, 16)]
    assert [found[1:3] for found in merge_hits([hit(0, 5), hit(17, 22)], TEXT)] == [(0, 5), (17, 22)]
    assert [found[1:3] for found in merge_hits([hit(33, 39), hit(39, 41)], TEXT)] == [(33, 41)]


def test_other_categories_and_exempt_hits_stay_apart() -> None:
    assert len(merge_hits([hit(0, 5), hit(0, 5, "closer")], TEXT)) == 2
    assert len(merge_hits([hit(0, 5), hit(0, 5, exempt="quote")], TEXT)) == 2
    assert len(merge_hits([hit(0, 5, exempt="code"), hit(0, 5, exempt="quote")], TEXT)) == 2


def test_the_longest_part_names_the_rule_and_the_best_the_score() -> None:
    merged = merge_hits([hit(0, 5, rule="short", score=0.9), hit(6, 16, rule="long", score=0.5)], TEXT)
    assert [(found.rule_id, found.score, found.cut) for found in merged] == [("long", 0.9, (0, 16))]


def test_what_cannot_be_cut_spoils_the_cut_unless_it_lies_inside() -> None:
    assert merge_hits([hit(0, 5), hit(6, 16, cut=None)], TEXT)[0].cut is None
    assert merge_hits([hit(0, 16), hit(6, 12, cut=None)], TEXT)[0].cut == (0, 16)
    assert merge_hits([hit(0, 16, cut=(0, 17)), hit(6, 12, cut=(6, 20))], TEXT)[0].cut == (0, 20)


HITS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 8), st.sampled_from("ab"), st.sampled_from([None, "code"])),
    max_size=10,
)


@given(HITS)
def test_merging_covers_the_same_text_once_and_is_final(parts: list[tuple[int, int, str, str | None]]) -> None:
    hits = [hit(start, start + size, category, exempt=exempt) for start, size, category, exempt in parts]
    merged = merge_hits(hits, TEXT)
    assert merge_hits(merged, TEXT) == merged
    assert [found[1:3] for found in merged] == sorted(found[1:3] for found in merged)
    for key in {(found.category, found.exempt) for found in hits}:
        own = [found for found in merged if (found.category, found.exempt) == key]
        covered = {at for found in own for at in range(found.start, found.stop)}
        wanted = {
            at for found in hits if (found.category, found.exempt) == key for at in range(found.start, found.stop)
        }
        assert wanted <= covered
        assert all(not TEXT[at : at + 1].strip(" *_") for at in covered - wanted)
        assert all(first.stop <= second.start for first, second in pairwise(own))


def test_the_earlier_filter_is_believed_where_two_see_the_same_tic() -> None:
    exact, sentence, other = hit(0, 5, rule="exact"), hit(0, 16, rule="vague", cut=None), hit(35, 39, rule="other")
    assert combine([[exact], [sentence, other]], TEXT) == [exact, other]
    assert combine([[sentence, other], [exact]], TEXT) == [sentence, other]
    assert combine([[exact], [hit(0, 16, "sycophancy")]], TEXT) == [exact, hit(0, 16, "sycophancy")]


def test_of_two_filters_what_stands_side_by_side_is_one() -> None:
    assert [found[1:3] for found in combine([[hit(0, 5)], [hit(6, 16)]], TEXT)] == [(0, 16)]


def test_what_is_said_of_the_turn_as_such_stands_apart() -> None:
    short = hit(0, len(TEXT), "quality", rule="short", cut=None)._replace(whole=True)
    odd = short._replace(rule_id="odd")
    inside = hit(0, 5, "quality", rule="inside")
    assert combine([[inside], [short, odd]], TEXT) == [inside, odd, short]


def test_an_excused_hit_hides_none_that_counts() -> None:
    excused, counts = hit(0, 5, exempt="quote"), hit(0, 16, rule="vague", cut=None)
    assert set(combine([[excused], [counts]], TEXT)) == {counts, excused}
    assert combine([[counts], [excused]], TEXT) == [counts]
