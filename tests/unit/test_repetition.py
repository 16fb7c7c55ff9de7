"""Words as arrays, loops, openings and near-duplicates: what is found, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasemill.filters import words as words_module
from phrasemill.filters.examples import conversations
from phrasemill.filters.loops import find_loops
from phrasemill.filters.near_duplicates import digests, similarity
from phrasemill.filters.openings import openings
from phrasemill.filters.repetition import DUPLICATE, LOOP, OPENING, RepetitionFilter
from phrasemill.filters.turns import turn_table
from phrasemill.filters.words import words_of
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.tables import MESSAGES

TALE = (
    "The old mill stood at the bend of the river, and every autumn the village came to grind its corn there. "
    "A miller with a lame foot kept the stones turning, and his daughter kept the accounts in a blue book."
)


def array(*texts: str) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def said(*texts: str) -> list[list[str]]:
    """The words of each text, cut out of it."""
    found: list[list[str]] = []
    for chunk in words_of(array(*texts)):
        for at, (low, high) in enumerate(zip(chunk.borders[:-1], chunk.borders[1:], strict=True)):
            raw = texts[chunk.first + at].encode()
            found.append([raw[a:b].decode() for a, b in zip(chunk.start[low:high], chunk.stop[low:high], strict=True)])
    return found


def test_words() -> None:
    assert said("Don't stop,  now!", "", "na\u00efve caf\u00e9", "  ", "one") == [
        ["Don't", "stop", "now"],
        [],
        ["na\u00efve", "caf\u00e9"],
        [],
        ["one"],
    ]
    assert said("\u4f60\u597d world") == [["\u4f60", "\u597d", "world"]]
    assert said("ab", "cd") == [["ab"], ["cd"]]


@given(st.lists(st.text(st.sampled_from("ab \n.'\u00e9\u4f60\U0001f600"), max_size=12), max_size=6))
def test_words_do_not_depend_on_their_neighbours(texts: list[str]) -> None:
    together = [chunk.hash.tolist() for chunk in words_of(array(*texts))]
    alone = [hashed for text in texts for chunk in words_of(array(text)) for hashed in chunk.hash.tolist()]
    assert [hashed for chunk in together for hashed in chunk] == alone


def test_chunks_hold_whole_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = said("one two", "three", "four five six", "", "seven")
    monkeypatch.setattr(words_module, "CHUNK_BYTES", 9)
    assert said("one two", "three", "four five six", "", "seven") == whole


def test_equal_words_have_equal_hashes_whatever_their_case() -> None:
    chunk = next(words_of(array("Mill mill MILL mills lmil")))
    first, second, third, longer, mixed = chunk.hash.tolist()
    assert first == second == third
    assert len({first, longer, mixed}) == 3


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        pytest.param("It went on. " * 6, [("It", "on")], id="a sentence"),
        pytest.param("very " * 20, [("very", "very")], id="a word"),
        pytest.param("\u597d" * 30, [("\u597d", "\u597d")], id="a character without spaces"),
        pytest.param(f"{TALE} {TALE} {TALE}", [("The", "book")], id="a passage said three times"),
        pytest.param(f"{TALE} {TALE}", [], id="a passage said twice"),
        pytest.param("Ha, ha, ha, ha, ha!", [], id="laughter"),
        pytest.param("Row, row, row your boat, gently down the stream. " * 2, [], id="a song"),
        pytest.param("No, no, no, no. " + TALE, [], id="emphasis"),
        pytest.param(TALE, [], id="prose"),
        pytest.param("1. a b c d\n2. a b c e\n3. a b c f\n4. a b c g\n5. a b c h", [], id="a list that varies"),
    ],
)
def test_loops(text: str, loops: list[tuple[str, str]]) -> None:
    chunk = next(words_of(array(text)))
    raw = text.encode()
    found = [
        tuple(raw[chunk.start[at] : chunk.stop[at]].decode() for at in (loop.first, loop.stop - 1))
        for loop in find_loops(chunk)
    ]
    assert found == loops


def test_a_loop_ends_with_its_answer() -> None:
    half = "up and down the hill "
    hits = RepetitionFilter().find_batch(conversations([("Go.", half * 2), ("Go.", half * 2), ("Go.", half * 8)]))
    assert [(hit.at, hit.start, hit.stop) for hit in hits] == [(2, 0, len(half * 8) - 1)]


def test_a_loop_is_cut_exactly_and_excused_in_code() -> None:
    loop = "round and round we go " * 6
    texts = [f"\U0001f600 Well, caf\u00e9: {loop}", f"Print it:\n```\n{loop}\n```\n", "\u2500 \u2500 " * 30]
    hits = RepetitionFilter().find_batch(conversations([("Go.", text) for text in texts]))
    assert [(hit.at, texts[hit.at][hit.start : hit.stop], hit.exempt) for hit in hits] == [
        (0, loop.strip(), None),
        (1, loop.strip(), "code"),
    ]
    assert {hit.rule_id for hit in hits} == {LOOP}


def test_openings() -> None:
    frame = openings(
        array("**Here is a short list:** one", "Yes. No.", "  What a day it was! Then", "No stop at all here\nand on")
    )
    assert frame["key"].to_list() == ["here is a short list", None, "what a day it was", "no stop at all here"]
    assert frame["text"].to_list()[2] == "What a day it was!"
    assert frame["stop"].to_list()[2] == len("  What a day it was!")


def test_minhash_tells_twins_from_strangers() -> None:
    other = (
        "Quite another story begins in a harbour where nobody had seen a ship for years and nobody waited for one now."
    )
    _, matrix = digests(array(TALE, TALE.replace("blue", "red"), other * 2))
    shares = similarity(matrix[[0, 0]], matrix[[1, 2]])
    assert shares[0] > 0.6
    assert shares[1] < 0.1
    kept, _ = digests(array("Too short.", TALE))
    assert kept.tolist() == [1]


def corpus(tmp_path: Path, texts: list[str], **options: float) -> tuple[RepetitionFilter, list[list[str]]]:
    """A filter with the statistics of the texts in two shards, and the rules that it then finds in each shard."""
    plain = RepetitionFilter(**options)  # type: ignore[arg-type]
    half = len(texts) // 2
    shards = []
    for key, part in (("a0", texts[:half]), ("b0", texts[half:])):
        turns = conversations([("Go on.", text) for text in part]).in_shard(key, pa.array(np.arange(len(part))))
        pq.write_table(plain.count(turns), tmp_path / f"{key}.parquet")
        shards.append(turns)
    frozen = tmp_path / "frozen.parquet"
    pq.write_table(plain.freeze([tmp_path / "a0.parquet", tmp_path / "b0.parquet"]), frozen)
    knowing = RepetitionFilter(statistics=str(frozen), **options)  # type: ignore[arg-type]
    return knowing, [[f"{hit.at} {hit.rule_id}" for hit in knowing.find_batch(turns)] for turns in shards]


def test_of_twins_the_first_stays(tmp_path: Path) -> None:
    _, found = corpus(tmp_path, [TALE, "Short.", TALE, f"{TALE} Indeed it was so."], similarity=0.8)
    assert found == [[], [f"0 {DUPLICATE}", f"1 {DUPLICATE}"]]


def test_of_a_common_opening_as_many_stay_as_are_allowed(tmp_path: Path) -> None:
    texts = [f"Here is what you need: number {at} of them." for at in range(60)]
    texts += [f"Number {at} stands alone, since no other says this." for at in range(40)]
    _, found = corpus(tmp_path, texts, opening_share=0.3)
    marked = [each for shard in found for each in shard]
    assert all(each.endswith(OPENING) for each in marked)
    assert 15 <= len(marked) <= 45  # 30 of 60 are allowed, chosen by their place
    _, again = corpus(tmp_path, texts, opening_share=0.3)
    assert again == found


def test_few_answers_share_no_opening_too_often(tmp_path: Path) -> None:
    _, found = corpus(tmp_path, [f"Here is what you need: number {at} of them." for at in range(20)])
    assert found == [[], []]


def test_statistics_are_part_of_the_identity(tmp_path: Path) -> None:
    knowing, _ = corpus(tmp_path, [TALE, TALE])
    assert knowing.fingerprint() != RepetitionFilter().fingerprint()
    copied = tmp_path / "copied.parquet"
    copied.write_bytes(Path(knowing.statistics or "").read_bytes())
    assert RepetitionFilter(statistics=str(copied)).fingerprint() == knowing.fingerprint()
    with pytest.raises(ConfigError, match=r"missing\.parquet"):
        RepetitionFilter(statistics=str(tmp_path / "missing.parquet")).fingerprint()


def test_turns_of_other_roles_do_not_shift_hits() -> None:
    said = [("user", "Go."), ("assistant", "Fine."), ("user", "Go on."), ("assistant", "we go on and on " * 10)]
    rows = [[{"role": role, "content": text} for role, text in said]]
    hits = RepetitionFilter().find_batch(turn_table("messages", pa.array(rows, MESSAGES)))
    assert [(hit.at, hit.rule_id) for hit in hits] == [(3, LOOP)]


def test_the_same_counts_freeze_to_the_same_file(tmp_path: Path) -> None:
    words = TALE.split()
    texts = [" ".join([*words[:at], f"word{at}", *words[at + 1 :]]) for at in range(len(words))]
    first, _ = corpus(tmp_path, texts, similarity=0.7)
    frozen = Path(first.statistics or "").read_bytes()
    for _ in range(4):
        again, _ = corpus(tmp_path, texts, similarity=0.7)
        assert Path(again.statistics or "").read_bytes() == frozen


def test_many_loops_take_no_time_together() -> None:
    chunk = next(words_of(array(" ".join(f"row{at} " + "0 " * 20 for at in range(8_000)))))
    assert len(find_loops(chunk)) == 8_000
