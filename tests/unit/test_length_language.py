"""Filters that judge a turn as such: its length, its language, and how the language of a text is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.engine.decide import plan_turn
from phrasemill.filters.base import Filter
from phrasemill.filters.detect import UNDECIDED, detect
from phrasemill.filters.language import LanguageFilter
from phrasemill.filters.length import LengthFilter
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.errors import PluginError
from phrasemill.schemas.policy import Policy

SENTENCES = {
    "en": ["Water the tomatoes early, before the sun gets too strong.", "We missed the last bus and walked home."],
    "es": ["Riega los tomates temprano, antes de que apriete el sol.", "Perdimos el último autobús y volvimos a pie."],
    "pt": ["Você poderia mudar a reunião para quinta à tarde?", "Perdemos o último ônibus e voltamos na chuva."],
    "fr": ["Arrosez les tomates tôt, avant que le soleil ne tape.", "Nous avons raté le dernier bus sous la pluie."],
    "de": ["Gieß die Tomaten früh, bevor die Sonne zu stark wird.", "Wir haben den letzten Bus verpasst."],
    "it": ["Annaffia i pomodori presto, prima che il sole sia forte.", "Abbiamo perso l'ultimo autobus di ieri."],
    "zh": ["趁太阳还不太晒,早点给番茄浇水。", "我们错过了末班车,只好冒雨走回家。"],
    "ja": ["日差しが強くなる前に、トマトに水をやってください。", "最終バスに乗り遅れて、雨の中を歩いて帰った。"],
    "ko": ["해가 너무 뜨거워지기 전에 토마토에 물을 주세요.", "막차를 놓쳐서 비를 맞으며 집까지 걸어왔다."],
    "ru": ["Поливай помидоры рано, пока солнце не слишком сильное.", "Мы опоздали на последний автобус."],
}
CODE = "```python\nfor number in numbers:\n    total += number\nprint(total, 'is the sum of all the numbers')\n```"


def table(texts: Sequence[str], roles: Sequence[str] | None = None) -> TurnTable:
    count = len(texts)
    return TurnTable(
        "messages",
        np.arange(count),
        np.ones(count, dtype=np.int32),
        pa.array(roles or ["assistant"] * count, pa.large_string()),
        pa.array(texts, pa.large_string()),
        np.full(count, -1),
        pa.array([], pa.large_string()),
    )


def found(each: Filter, texts: Sequence[str], roles: Sequence[str] | None = None) -> list[tuple[int, str]]:
    return [(hit.at, hit.rule_id) for hit in each.find_batch(table(texts, roles))]


def languages(*texts: str) -> list[str]:
    codes, confidence = detect(pa.array(texts, pa.large_string()))
    assert len(codes) == len(confidence) == len(texts)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    return list(codes.to_pylist())


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences_are_in_their_language(code: str) -> None:
    assert languages(*SENTENCES[code]) == [code] * 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"Diese Schleife zählt alle Zahlen zusammen:\n\n{CODE}\n\nSie läuft einmal pro Zahl.", "de"),
        (f"使用下面的循环:\n\n{CODE}", "zh"),
        ("你可以用 Python 的 pandas 库读取 CSV 文件。", "zh"),
        ("API는 프로그램끼리 데이터를 주고받는 방법입니다.", "ko"),
        ("「Hello」は英語の挨拶で、日本語では「こんにちは」と言います。", "ja"),
        ("The character 水 is read mizu in Japanese and means water.", "en"),
        ("In Spanish you would say: ¿Dónde está la biblioteca? It asks where the library is.", "en"),
        (CODE, UNDECIDED),
        ("", UNDECIDED),
        ("3.14 * 2 = 6.28", UNDECIDED),
        ("https://example.org/the/and/that", UNDECIDED),
    ],
)
def test_language_of_mixed_texts(text: str, code: str) -> None:
    assert languages(text) == [code]


def test_a_text_has_its_language_whatever_stands_beside_it() -> None:
    texts = [text for both in SENTENCES.values() for text in both] + ["", CODE]
    alone = [languages(text)[0] for text in texts]
    assert languages(*texts) == alone
    sliced = pa.array(["x", *texts], pa.large_string()).slice(1)
    assert detect(sliced)[0].to_pylist() == alone
    assert languages() == []


def test_language_filter_names_the_language_and_leaves_the_unsure_alone() -> None:
    texts = [
        SENTENCES["en"][0],
        SENTENCES["fr"][0],
        "Oui, bien sûr.",
        CODE,
        SENTENCES["ja"][0] * 2,
        SENTENCES["de"][0],
    ]
    english = LanguageFilter(allowed=("en",))
    assert found(english, texts) == [(1, "language.fr"), (4, "language.ja"), (5, "language.de")]
    assert found(LanguageFilter(allowed=("en", "de", "ja")), texts) == [(1, "language.fr")]
    assert found(LanguageFilter(allowed=("en",), min_chars=5), ["Oui, bien sûr."]) == [(0, "language.fr")]
    assert found(LanguageFilter(allowed=("en",), min_confidence=1.0), texts[1:2]) == []
    assert found(english, texts[1:3], ["user", "assistant"]) == []
    hit = english.find_batch(table(texts[1:2]))[0]
    assert (hit.start, hit.stop, hit.category, hit.cut, hit.exempt) == (0, len(texts[1]), "language", None, None)
    assert 0.7 <= hit.score <= 1


def test_length_limits_count_words_and_code_points() -> None:
    texts = ["", "two words", "one two three four", "日本語のとても長い文章です", "ok"]
    assert found(LengthFilter(min_words=2), texts) == [
        (0, "length.min_words"),
        *[(i, "length.min_words") for i in (3, 4)],
    ]
    assert found(LengthFilter(max_words=2, max_chars=12), texts) == [(2, "length.max_words"), (3, "length.max_chars")]
    assert found(LengthFilter(min_chars=9, max_chars=13), texts) == [
        (0, "length.min_chars"),
        (2, "length.max_chars"),
        (4, "length.min_chars"),
    ]
    assert found(LengthFilter(min_words=3, min_chars=20), ["a b"]) == [(0, "length.min_words")]
    assert found(LengthFilter(min_words=1), ["", ""], ["user", "assistant"]) == [(1, "length.min_words")]


@pytest.mark.parametrize("action", ["tag", "drop", "regenerate"])
def test_a_policy_acts_on_a_whole_turn(action: str) -> None:
    text = "```\nok\n```"
    hits = LengthFilter(min_words=20).find_batch(table([text]))
    assert [(hit.start, hit.stop, hit.exempt) for hit in hits] == [(0, len(text), None)]
    plan = plan_turn(text, hits, Policy.model_validate({"actions": {"length": action}}))
    assert plan.action == (None if action == "tag" else action)
    assert plan.actions == (action,)


def test_a_whole_turn_cannot_be_stripped() -> None:
    hits = LengthFilter(min_words=20).find_batch(table(["too short"]))
    policy = Policy.model_validate({"actions": {"length.min_words": {"do": "strip", "otherwise": "drop"}}})
    assert plan_turn("too short", hits, policy).action == "drop"


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (LengthFilter, {}, "no limit is set"),
        (LengthFilter, {"min_words": 9, "max_words": 3}, "as long as 9 and as short as 3"),
        (LengthFilter, {"words": 3}, "words.*its options are: min_words"),
        (LanguageFilter, {}, "allowed"),
        (LanguageFilter, {"allowed": []}, "allowed"),
        (LanguageFilter, {"allowed": ["english"]}, "allowed"),
        (LanguageFilter, {"allowed": ["en"], "min_confidence": 2}, "min_confidence"),
    ],
)
def test_wrong_options_are_named(kind: type[Filter], options: dict[str, object], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        kind.from_options(options)
