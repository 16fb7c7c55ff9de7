"""The shadow of a text: what is lifted and what stays, where its spans lie, and what the regex filter finds by it."""
# ruff: noqa: RUF001 - the characters meant are these

from __future__ import annotations

import pyarrow as pa
import pytest

from phrasemill.engine.judge_turns import Judge, judge_turns
from phrasemill.filters.examples import conversations
from phrasemill.filters.regex import RegexFilter
from phrasemill.filters.shadow import shadow
from phrasemill.filters.shadow_batch import may_need, shadows
from phrasemill.schemas.policy import Policy

REGEX = RegexFilter()

LIFTED = [
    ("As an **AI** language *model*, I", "As an AI language model, I"),
    ("It is __really__ ***quite*** ~~very~~ **_so_** good", "It is really quite very so good"),
    ("* one\n* the **other**", "* one\n* the other"),
    ("`a **b** c` and **d**", "`a **b** c` and d"),
    ("```\n**x**\n```\n**y**", "```\n**x**\n```\ny"),
    ("I\u200b am\u2060 an A\u200dI lan\u00adguage\ufeff model", "I am an AI language model"),
    ("Αs аn АI, Ӏ'm", "As an AI, Ӏ'm"),
    ("Ａｓ ａｎ ＡＩ， ＂Ｉ＇ｍ＂", 'As an AI, "I\'m"'),
    ("𝐀𝐬 𝑎𝑛 𝔸𝙸 ﬁne ⓐⓘ ᴬᴵ", "As an AI fine ai AI"),
    ("I&#39;m &quot;an&#x20;AI&quot;&nbsp;model &amp;amp;lt;", 'I\'m "an AI"\u00a0model <'),
    ("As an A.I. language model, I", "As an AI language model, I"),
    ("I am an A.I. I can help. Ask an A.I.", "I am an AI. I can help. Ask an AI."),
    ("As an A. I. model", "As an AI model"),
    ("cafe\u0301 au lait", "café au lait"),
    ("&ast;&ast;AI&#42;&#42; &#1040;I A&#8203;I", "AI AI AI"),
]

KEPT = [
    "Plain text, with commas, quotes \u201cso\u201d \u2014 and an apostrophe\u2019s curl.",
    "2 * 3 * 4 = 24, 2*3*4 = 24 and x ** 2",
    "snake_case_name, and a line:\n___________\n* one\n* two\n***\n",
    r"an escaped \*star\* and \_one\_",
    "`**code**` and ``*more*``",
    '{"answer": "**bold** &amp; A.I."}',
    "<think>A **bold** plan &amp; more.</think> The answer is four.",
    "about ~5 kilometres in ~/home",
    "Меня зовут Анна, я работаю в IT с 2010 года.",
    "Η Ελλάδα έχει 10 εκατομμύρια κατοίκους. π r α β",
    "Բարեւ, ես արհեստական բանականություն եմ։",
    "नमस्\u200dते, क्\u200cष और श्री\u200dमान",
    "می\u200cخواهم کتاب\u200cها را بخوانم",
    "Ça va très bien, merci. Où est le garçon œuvre ?",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 ❤️\u200d\U0001f525 \U0001f3f3️\u200d\U0001f308 1️⃣ ™ © ½ m² x² …",
    "中文，标点！「引号」：版本。",
    "AT&T, R&D; a&b; &nosuchname;",
    "He got an A. I am proud. The U.S.A.I.D. office and file.a.in.txt",
]


@pytest.mark.parametrize(("text", "wanted"), LIFTED)
def test_disguise_is_lifted(text: str, wanted: str) -> None:
    found = shadow(text)
    assert found is not None
    assert found.text == wanted
    assert shadow(found.text) is None


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_disguise_stays(text: str) -> None:
    assert shadow(text) is None


@pytest.mark.parametrize(("text", "wanted"), LIFTED)
def test_a_batch_is_its_texts_one_by_one(text: str, wanted: str) -> None:
    texts = pa.array(["x_", *KEPT, text, "", "*b* c", *KEPT], pa.large_string()).slice(1)
    at, made = shadows(texts)
    found = dict(zip(at.tolist(), made.to_pylist(), strict=True))
    assert found[len(KEPT)] == wanted
    assert found[len(KEPT) + 2] == "b c"
    assert {index for index, new in found.items() if new != texts[index].as_py()} <= set(may_need(texts).tolist())
    assert all(found.get(index, kept) == kept for index, kept in enumerate(KEPT))


@pytest.mark.parametrize(
    ("text", "part", "wanted"),
    [
        ("As an **AI** language model, I", "AI", "AI"),
        ("**As an AI** language model, I think", "As an AI language model,", "**As an AI** language model,"),
        ("so *as an **AI*** goes", "as an AI", "as an **AI**"),
        ("As an **AI model, I think** so", "As an AI model,", "As an **AI model,"),
        ("**Certainly!** Here", "Certainly!", "Certainly!"),
        ("I&#39;m&nbsp;an", "I'm", "I&#39;m"),
        ("an A.I. model", "AI", "A.I."),
        ("an A\u200bI\u200b x", "AI", "A\u200bI"),
        ("a ﬁne day", "ine", "ﬁne"),
        ("&ast;&ast;As&ast;&ast; an", "As an", "&ast;&ast;As&ast;&ast; an"),
    ],
)
def test_a_span_lies_on_the_original(text: str, part: str, wanted: str) -> None:
    found = shadow(text)
    assert found is not None
    at = found.text.index(part)
    start, stop = found.original(at, at + len(part))
    assert text[start:stop] == wanted


def test_a_cut_takes_what_nobody_would_see() -> None:
    text = "I hope this helps!\u200b&nbsp;&#8203;Bye"
    found = shadow(text)
    assert found is not None
    assert text[slice(*found.original(0, 18))] == "I hope this helps!"
    assert text[found.original_cut(0, 18)[1] :] == "Bye"


BODY = "Here is a recipe for plain bread. Mix flour and water, then wait an hour."
TICS = [
    f"**Certainly!** {BODY}",
    f"*Certainly*! {BODY}",
    f"Cer\u00adtainly! {BODY}",
    f"\u200bCertainly!\u200b {BODY}",
    f"Сеrtаinly! {BODY}",
    f"Ｃｅｒｔａｉｎｌｙ！ {BODY}",
    f"𝐂𝐞𝐫𝐭𝐚𝐢𝐧𝐥𝐲! {BODY}",
    f"&#67;ertainly! {BODY}",
    f"**I'd be** happy to help&nbsp;you with _that_! {BODY}",
    f"I&#39;d be hap\u200bpy to **help** you with that! {BODY}",
    f"{BODY}\n\nI **hope** this *helps*!",
    f"{BODY}\n\n***I hope* this** helps!&nbsp;Let me know if you have any ques\u00adtions.",
]


@pytest.mark.parametrize("text", TICS)
def test_a_strip_leaves_the_text_well_formed(text: str) -> None:
    turns = conversations([("How do I bake bread?", text)])
    judge = Judge((REGEX,), Policy())
    (turn,) = judge_turns(turns, judge, judge.find(turns), may_mend=True)
    assert turn.action == "strip"
    assert (turn.text or "").strip("\u200b") == BODY


def test_markup_is_looked_for_in_the_text_itself() -> None:
    found = REGEX.find_batch(conversations([("Go on.", "It is **so**, yes.<|im_end|>")]))
    assert [(hit.start, hit.category) for hit in found] == [(18, "leaked_markup")]
    assert found[0].cut == (18, 28)


def test_exemptions_are_those_of_the_original() -> None:
    said = 'The **reply** was: "I\'m just an **AI**, so I cannot" and no more.'
    found = REGEX.find_each(conversations([("Go on.", said)]))
    assert found
    assert {hit.exempt for hit in found} == {"quote"}
