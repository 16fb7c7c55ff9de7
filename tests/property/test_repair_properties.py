"""What a repair promises on any text: little changes, masks never, nothing gutted comes back."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from phrasemill.engine.repair import Cut, mend
from phrasemill.schemas.policy import Policy

POLICY = Policy()
BRIEF = settings(max_examples=150, deadline=None)
CATEGORIES = st.sampled_from(["opener", "closer", "hedge", "ai_self_reference", "leaked_markup", "my_own"])
WORDS = ["the", "a", "kettle", "sings", "when", "lamps", "burn", "and", "ferries", "cross", "grey", "water", "bread"]
OPENERS = ["Certainly!", "Sure,", "Of course!", "**Certainly!**", "Sure! I'd be glad to help.", "Absolutely! 😊"]
FRAMES = ["It's important to note that", "Please note that", "**Keep in mind** that"]
CLOSERS = ["I hope this helps!", "*Let me know!*", "Ask me anything. I hope this helps! 🎉", "---\n\nFeel free to ask!"]

# No digits, and no letter that stands in a list marker, task box or smiley: each letter outside of a cut must survive.
LETTERS = st.sampled_from("abcqyzABCßİıéжшΣ中文ああ가ქა")
MARKS = st.sampled_from(
    [*" \t\n\n\r.,;:!?-*_~#>()[]\"'|`—…¿¡。，\u00a0\u200b\ufeff", "\r\n", "\n\n", "**", "---", "😊"]
)
ROUGH = st.lists(st.one_of(LETTERS, MARKS, st.sampled_from(["ab", "Ab ", "the ", "and "])), max_size=60).map("".join)


@st.composite
def cut_texts(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[str, list[Cut]]:
    """A text and up to four cuts in it, in any order, overlapping or not."""
    text = draw(texts)
    edge = st.integers(0, len(text))
    bounds = draw(st.lists(st.tuples(edge, edge).map(sorted), min_size=1, max_size=4))
    return text, [Cut(start, stop, draw(CATEGORIES)) for start, stop in bounds]


def _outside(text: str, cuts: list[Cut]) -> list[str]:
    """The parts of the text that no cut covers, in order."""
    covered = [any(cut.start <= index < cut.stop for cut in cuts) for index in range(len(text))]
    parts, part = [], ""
    for char, gone in zip(text, covered, strict=True):
        if gone:
            parts.append(part)
            part = ""
        else:
            part += char
    return [*parts, part]


def _letters(text: str) -> list[str]:
    return [char for char in text if char.isalnum()]


@BRIEF
@given(st.text())
def test_without_cuts_the_same_object_comes_back(text: str) -> None:
    assert mend(text, [], policy=POLICY).text is text


@BRIEF
@given(cut_texts(st.one_of(st.text(max_size=80), ROUGH)))
@example(("\r\r\n", [Cut(0, 1, "opener")]))
@example(("> - [ ] **", [Cut(6, 8, "closer")]))
def test_any_cut_of_any_text_is_mended_or_refused(case: tuple[str, list[Cut]]) -> None:
    text, cuts = case
    mended = mend(text, cuts, policy=POLICY)
    assert (mended.text is None) == (mended.reason in ("gutted", "too_thin"))
    if mended.text is not None:
        assert mended.reason == ""
        assert len(mended.text) <= len(text)
        assert len(_letters(mended.text)) >= POLICY.min_words_left


@BRIEF
@given(cut_texts(ROUGH))
def test_every_letter_outside_of_the_cuts_survives(case: tuple[str, list[Cut]]) -> None:
    text, cuts = case
    result = mend(text, cuts, policy=POLICY.model_copy(update={"min_words_left": 1})).text
    if result is None:
        return
    kept = _letters("".join(_outside(text, cuts)))
    left = _letters(result)
    assert [char.lower() for char in left] == [char.lower() for char in kept]
    assert sum(new != old for new, old in zip(left, kept, strict=True)) <= len(cuts)


@BRIEF
@given(cut_texts(ROUGH))
def test_between_its_outer_letters_each_part_is_byte_identical(case: tuple[str, list[Cut]]) -> None:
    text, cuts = case
    result = mend(text, cuts, policy=POLICY.model_copy(update={"min_words_left": 1})).text
    if result is None:
        return
    at = 0
    for part in _outside(text, cuts):
        inner = [index for index, char in enumerate(part) if char.isalnum()]
        if len(inner) > 1:
            core = part[inner[0] + 1 : inner[-1] + 1]
            at = result.index(core, at) + len(core)


@BRIEF
@given(cut_texts(ROUGH), st.data())
def test_masks_are_never_touched(case: tuple[str, list[Cut]], data: st.DataObject) -> None:
    text, cuts = case
    cuts = [Cut(cut.start, cut.stop, "opener") for cut in cuts]
    edge = st.integers(0, len(text))
    masks = [(low, high) for low, high in data.draw(st.lists(st.tuples(edge, edge), max_size=3)) if low < high]
    mended = mend(text, cuts, masks=masks, policy=POLICY)
    entered = any(
        any(low <= index < high and not (text[index].isspace() or text[index] in "\u200b\ufeff") for low, high in masks)
        for cut in cuts
        for index in range(cut.start, cut.stop)
    )
    if entered:
        assert mended.reason == "masked"
    if mended.text is not None:
        for low, high in masks:
            assert text[low:high] in mended.text


@st.composite
def sentences(draw: st.DrawFn) -> str:
    """An ordinary sentence of five to nine words."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=5, max_size=9))
    return " ".join(words).capitalize() + draw(st.sampled_from(".!?"))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, str, list[Cut]]:
    """A document with planted tics, the same document as it was before, and the cuts."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    marker = draw(st.sampled_from(["", "", "- ", "> ", "1. "]))
    dirty, clean, tics = [], [], []
    for lines in draw(st.lists(st.lists(sentences(), min_size=1, max_size=3), min_size=1, max_size=3)):
        planted = []
        for line in lines:
            frame = draw(st.sampled_from([None, None, *FRAMES]))
            planted.append(line if frame is None else f"{frame} {line[0].lower()}{line[1:]}")
            tics.extend([] if frame is None else [frame])
        dirty.append(marker + " ".join(planted))
        clean.append(marker + " ".join(lines))
    before, after = (newline * 2).join(dirty), (newline * 2).join(clean)
    if draw(st.booleans()) and not marker:
        opener = draw(st.sampled_from(OPENERS))
        before = opener + draw(st.sampled_from([" ", newline, newline * 2, "\u00a0"])) + before
        tics.insert(0, opener)
    if draw(st.booleans()):
        closer = draw(st.sampled_from(CLOSERS)).replace("\n", newline)
        before += newline * 2 + closer + draw(st.sampled_from(["", newline, " "]))
        tics.append(closer)
    return before, after, _cuts(before, tics)


def _cuts(text: str, tics: list[str]) -> list[Cut]:
    """The cuts of the tics in their order, without emphasis, emoji and rules around them: those are the repair's."""
    cuts, at = [], 0
    for tic in tics:
        bare = tic.strip("*😊🎉- \r\n")
        start = text.index(bare, at)
        at = start + len(bare)
        cuts.append(Cut(start, at, "opener"))
    return cuts


@BRIEF
@given(documents())
def test_planted_tics_leave_the_document_as_it_was(case: tuple[str, str, list[Cut]]) -> None:
    before, after, cuts = case
    assert mend(before, cuts, policy=POLICY).text == after


@BRIEF
@given(documents())
def test_mending_again_changes_nothing(case: tuple[str, str, list[Cut]]) -> None:
    before, _, cuts = case
    once = mend(before, cuts, policy=POLICY).text
    assert once is not None
    assert mend(once, [], policy=POLICY).text is once
    assert mend(before, [*reversed(cuts), *cuts], policy=POLICY).text == once
