"""What a judge answered: how it is read, and where it is kept so that no question is asked twice."""

from __future__ import annotations

import json
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

_TOP_SCORE: Final = 10.0
_THOUGHTS: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
_WORD: Final = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_WORD_SCORES: Final = {"yes": 1.0, "no": 0.0}


class Judgement(NamedTuple):
    """``score``: 0 (certainly not) to 1 (certainly so). ``quote``: what the judge points at, or empty."""

    score: float
    quote: str = ""


def parse_judgement(answer: str) -> Judgement | None:
    """What an answer says, or None where it says nothing that can be used, or two different things.

    Taken are a JSON object with a ``score`` from 0 to 10, whatever stands around it, and a plain yes or no.
    """
    text = _THOUGHTS.sub("", answer)
    found = [judgement for each in _objects(text) if (judgement := _read(each)) is not None]
    if found:
        return found[0] if len({judgement.score for judgement in found}) == 1 else None
    word = _WORD.match(text)
    return None if word is None else Judgement(_WORD_SCORES[word[1].lower()])


def _objects(text: str) -> list[dict[str, Any]]:
    """All JSON objects in a text, outermost ones only."""
    decoder = json.JSONDecoder()
    objects: list[dict[str, Any]] = []
    at = text.find("{")
    while at >= 0:
        stop = at + 1
        with suppress(ValueError):
            value, stop = decoder.raw_decode(text, at)
            objects.append(value)
        at = text.find("{", stop)
    return objects


def _read(value: dict[str, Any]) -> Judgement | None:
    score, quote = value.get("score"), value.get("quote", "")
    if isinstance(score, str):
        score = {word: _TOP_SCORE * each for word, each in _WORD_SCORES.items()}.get(score.strip().lower())
    if not isinstance(score, int | float) or not 0 <= score <= _TOP_SCORE:
        return None
    score = float(score) * (_TOP_SCORE if score is True else 1.0)
    return Judgement(score / _TOP_SCORE, quote if isinstance(quote, str) else "")


class AnswerStore:
    """Answers by request hash, in JSON lines of one folder; each process appends to a file of its own.

    A folder that cannot be read or written costs requests and nothing else. A line that a crash cut short is skipped.
    """

    def __init__(self, folder: Path) -> None:
        self._own = folder / f"{uuid.uuid4().hex}.jsonl"
        self._answers: dict[str, str] = {}
        with suppress(OSError):
            for path in sorted(folder.glob("*.jsonl")):
                for line in path.read_bytes().splitlines():
                    with suppress(ValueError, KeyError, TypeError):
                        record = orjson.loads(line)
                        self._answers[record["request_hash"]] = str(record["text"])

    def get(self, request_hash: str) -> str | None:
        """The stored answer, or None."""
        return self._answers.get(request_hash)

    def add(self, request_hash: str, text: str) -> None:
        """Keep an answer: on its way to disk when this returns."""
        self._answers[request_hash] = text
        with suppress(OSError):
            self._own.parent.mkdir(parents=True, exist_ok=True)
            with self._own.open("ab") as file:
                file.write(orjson.dumps({"request_hash": request_hash, "text": text}) + b"\n")
