"""The classifier filter, its model's record, and training: what is found, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from phrasemill.engine.classifier_data import read_examples
from phrasemill.engine.classifier_text import Example, training_text
from phrasemill.engine.classifier_train import train
from phrasemill.engine.cli.classifier import app
from phrasemill.filters.base import load_filter
from phrasemill.filters.classifier import ClassifierFilter
from phrasemill.filters.classifier_model import SHIPPED, SentenceModel, net_path, normalised, read_record, record_path
from phrasemill.filters.cues import long_doubt, sentences_in_doubt
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable, turn_table
from phrasemill.filters.word_net import numbered, padded, read_weights, vectors
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.errors import InputError, IntegrityError, PluginError

_MESSAGES = pa.large_list(pa.struct([("role", pa.large_string()), ("content", pa.large_string())]))


def _turns(*pairs: tuple[str, str]) -> TurnTable:
    rows = [[{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}] for prompt, answer in pairs]
    return turn_table("messages", pa.array(rows, _MESSAGES))


def _hits(answer: str, prompt: str = "Tell me about plums.") -> list[Hit]:
    return ClassifierFilter().find_batch(_turns((prompt, answer)))


@pytest.mark.parametrize(
    ("sentence", "category"),
    [
        ("I'm a computer program, and so I have no childhood memories.", "ai_self_reference"),
        ("As a language model, I do not have feelings.", "ai_self_reference"),
        ("I\u2019m not able to help you write that letter.", "refusal"),
        ("I have to decline this request.", "refusal"),
        ("Your essay is brilliant, and you are such a gifted writer!", "sycophancy"),
        ("We should all treat one another with kindness and respect.", "moralising"),
    ],
)
def test_finds_sentence(sentence: str, category: str) -> None:
    answer = f"{sentence} Plums ripen in August."
    found = [hit for hit in _hits(answer) if hit.category == category]
    assert [(answer[hit.start : hit.stop], hit.rule_id) for hit in found] == [(sentence, f"classifier.{category}")]
    assert found[0].cut is None
    assert found[0].exempt is None
    assert 0.5 < found[0].score <= 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "Plums ripen in August. Pick them dry.",
        "A language model predicts the next word.",
        "I'm sorry for your loss.",
        "I can't recommend this bakery enough.",
        "The novel shows how prejudice destroys a family.",
        "Her essay is brilliant, and critics called her a gifted writer.",
        "I am an engineer from Leeds, and I love trains.",
        'The sign read "I cannot help you with that request, as I am an AI."',
        "A chatbot is a program that answers customers.",
        "I hope this helps! Let me know if you have any questions.",
        "",
    ],
)
def test_leaves_alone(answer: str) -> None:
    assert _hits(answer) == []


def test_offsets_are_code_points_in_the_right_turn() -> None:
    sentence = "I have to decline this request."
    answer = f"Ünlü 日本 \u201cpflaume\u201d. {sentence}"
    hits = ClassifierFilter().find_batch(_turns(("q", "Plums."), ("q", answer), ("q", "Figs.")))
    assert [(hit.at, answer[hit.start : hit.stop]) for hit in hits] == [(3, sentence)]


def test_user_turns_are_not_read() -> None:
    assert ClassifierFilter().find_batch(_turns(("I have to decline this request.", "Fine."))) == []


def test_exemptions_are_kept_as_reasons() -> None:
    coded = _hits("```\nI have to decline this request.\n```")
    assert {hit.exempt for hit in coded} == {"code"}
    asked = _hits("I'm a computer program, and so I have no childhood memories.", "Are you a human?")
    assert [hit.exempt for hit in asked if hit.category == "ai_self_reference"] == ["asked"]


def test_threshold_is_an_option() -> None:
    turns = _turns(("q", "I have to decline this request."))
    strict = load_filter(FilterConfig.model_validate({"use": "classifier", "threshold": 1.0}))
    assert len(ClassifierFilter().find_batch(turns)) >= len(strict.find_batch(turns))
    with pytest.raises(PluginError, match="threshold"):
        load_filter(FilterConfig.model_validate({"use": "classifier", "threshold": 0.0}))


def test_filter_pickles_after_use() -> None:
    turns = _turns(("q", "I have to decline this request."))
    used = ClassifierFilter()
    hits = used.find_batch(turns)
    assert pickle.loads(pickle.dumps(used)).find_batch(turns) == hits


def test_fingerprint_follows_the_content_of_the_model(tmp_path: Path) -> None:
    copy = tmp_path / "mine.bin"
    shutil.copy(SHIPPED, copy)
    shutil.copy(record_path(SHIPPED), record_path(copy))
    assert ClassifierFilter(model=copy).fingerprint() == ClassifierFilter().fingerprint()
    assert ClassifierFilter(threshold=0.5).fingerprint() != ClassifierFilter().fingerprint()


def test_shipped_model_is_what_its_record_says() -> None:
    content = SHIPPED.read_bytes()
    assert hashlib.sha256(content).hexdigest() == read_record(SHIPPED).sha256
    assert len(content) < 2_000_000


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damaged_model_is_refused(tmp_path: Path, damage: str) -> None:
    content = bytearray(SHIPPED.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 1
    path = tmp_path / "broken.bin"
    path.write_bytes(content)
    shutil.copy(record_path(SHIPPED), record_path(path))
    with pytest.raises(IntegrityError, match="sha256"):
        SentenceModel(path).scores(pl.Series(["a"]))


def test_damaged_net_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.bin"
    shutil.copy(SHIPPED, path)
    shutil.copy(record_path(SHIPPED), record_path(path))
    with pytest.raises(PluginError, match=r"mine\.npz"):
        SentenceModel(path).scores(pl.Series(["a"]))
    content = bytearray(net_path(SHIPPED).read_bytes())
    content[len(content) // 2] ^= 1
    net_path(path).write_bytes(content)
    with pytest.raises(IntegrityError, match="sha256"):
        SentenceModel(path).scores(pl.Series(["a"]))
    with pytest.raises(PluginError, match="npz"):
        read_weights(b"no zip", path)


def test_shipped_vectors_are_whole_and_know_likeness() -> None:
    known = vectors()
    assert len(known.rows) == len(known.words) + 1
    assert not known.rows[known.other].any()
    row = dict(zip(known.words["word"], known.words["number"], strict=True))
    write, compose, potato = (known.rows[row[word]] for word in ("write", "compose", "potato"))
    assert write @ compose > 2 * abs(write @ potato)


def test_lines_without_a_known_word_are_nothing() -> None:
    assert SentenceModel(SHIPPED).scores(pl.Series(["\u2801\u2811\u2801", "\U0001f605" * 9])).max() < 0.6


def test_words_are_numbered_line_by_line() -> None:
    known = vectors()
    numbers, ends = numbered(pl.Series(["i write", "", "qqqzzz", "poems"]), known)
    assert ends.tolist() == [2, 2, 2, 3]
    rows = padded(numbers, ends, np.array([0, 1, 3]), known.other)
    other = known.other
    assert rows.tolist() == [[*numbers[:2].tolist(), other], [other] * 3, [int(numbers[2]), other, other]]


def test_sentences_of_the_start_are_all_in_doubt_and_later_ones_by_cue() -> None:
    late = ["Plums ripen in August.", "I was trained on text.", "I cannot help with it.", "We must respect others."]
    doubt = sentences_in_doubt(pl.Series([late[0], *late]), np.array([True, False, False, False, False]))
    assert doubt.astype(int).tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert long_doubt(pl.Series(["Plums.", *late])).tolist() == [False, False, True, True, True]


def test_model_without_fitting_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.bin"
    shutil.copy(SHIPPED, path)
    with pytest.raises(PluginError, match="record"):
        SentenceModel(path)
    record = json.loads(record_path(SHIPPED).read_text())
    record_path(path).write_text(json.dumps({**record, "normaliser": 99}))
    with pytest.raises(PluginError, match="normaliser 99"):
        SentenceModel(path)


def test_sentences_with_line_breaks_are_read() -> None:
    model = SentenceModel(SHIPPED)
    broken, whole = model.scores(pl.Series(["I have to\ndecline this\r\nrequest.", "I have to decline this request."]))
    assert broken.tolist() == whole.tolist()
    assert model.scores(pl.Series([], dtype=pl.String)).shape == (0, 4)


def test_normalised() -> None:
    got = normalised(pl.Series(["**I\u2019m** sure; you can\u2019t\n2 times.", "It\u2019s A.I. — won't"])).to_list()
    assert got == ["i am sure ; you can not 0 times .", "it is ai — will not"]
    assert normalised(pl.Series(['He said "I am a bot" and left', 'A 5" pipe'])).to_list() == [
        "he said and left",
        "a 0 pipe",
    ]


def test_training_is_repeatable_and_checked(tmp_path: Path) -> None:
    examples = [each for each in training_text() if each.written][::6]
    first = train(examples, tmp_path / "a.bin", precision=0.5)
    second = train(examples, tmp_path / "b.bin", precision=0.5)
    for suffix in (".bin", ".npz"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert first == second
    assert sum(each.right for each in first) > 0
    alone = train(examples, tmp_path / "c.bin", precision=0.5, backend="fasttext")
    assert alone != first
    names = ["a.bin", "a.json", "a.npz", "b.bin", "b.json", "b.npz", "c.bin", "c.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    own = SentenceModel(tmp_path / "a.bin").scores(pl.Series(["I have to decline this request.", "Plums are ripe."]))
    assert own[0].max() > own[1].max()
    with pytest.raises(InputError, match="label"):
        train([Example("Plums.", (), True)], tmp_path / "d.bin", precision=0.9)


def test_user_data_is_validated(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "I will not.", "label": "refusal"}\n{"text": "Plums.", "label": "none"}\n')
    assert read_examples([path, path]) == [Example("I will not.", ("refusal",), True), Example("Plums.", (), True)]
    path.write_text('{"text": "I will not.", "label": "rudeness"}\n')
    with pytest.raises(InputError, match=r"row 1 has the label 'rudeness'"):
        read_examples([path])
    path.write_text('{"text": "No.", "label": "refusal"}\n{"text": "No.", "label": "none"}\n')
    with pytest.raises(InputError, match="another label"):
        read_examples([path])
    table = tmp_path / "data.tsv"
    table.write_text('text\tlabel\nI "must" not.\tai_self_reference+refusal\n')
    assert read_examples([table])[0].labels == ("ai_self_reference", "refusal")
    with pytest.raises(InputError, match=r"\.jsonl"):
        read_examples([tmp_path / "data.doc"])


def test_eval_command_prints_scores(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("text\tlabel\nI have to decline this request.\trefusal\nPlums ripen in August.\tnone\n")
    done = CliRunner().invoke(app, ["eval", "default", str(path), "--json"])
    assert done.exit_code == 0
    scores = {row["label"]: row for row in json.loads(done.stdout)}
    assert (scores["refusal"]["right"], scores["refusal"]["false_hits"]) == (1, 0)
