"""The recipe, the attempt log and the order of things, against a server that answers as told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.generators.attempts import Attempt, AttemptLog, request_hash
from phrasemill.generators.backend import open_backend
from phrasemill.generators.regenerate import (
    Hit,
    Message,
    TurnResult,
    TurnTask,
    regenerate_all,
    regenerate_turn,
    turn_seed,
)
from phrasemill.generators.retry import RetryPolicy
from phrasemill.generators.traits import list_builtin
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import RegenerateConfig
from phrasemill.schemas.errors import BackendError, IntegrityError
from phrasemill.schemas.tables import GENERATIONS

CLEAN = "Boil the eggs for eight minutes, then put them into cold water."
DIRTY = "Certainly! Boil the eggs for eight minutes."
PLAIN = next(trait for trait in list_builtin() if trait.id == "plain")
QUICK = RetryPolicy(tries=2, base=0.001, cap=0.001, down_after_failures=4, down_after=0.0)

Reply = Callable[[dict[str, Any]], tuple[int, str, str]]


class Model:
    """A server on a thread; ``reply`` maps a request body to status, text and finish reason."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.reply: Reply = lambda _: (200, CLEAN, "stop")
        self.free = threading.Event()
        self.free.set()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, {"data": [{"id": "m", "owned_by": "vllm"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.bodies.append(body)
                model.free.wait(10)
                status, text, finish = model.reply(body)
                choice = {"index": 0, "finish_reason": finish, "message": {"content": text}}
                self.answer(status, {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 6}})

            def answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up is expected
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def scripted(self, *texts: str) -> None:
        waiting = list(texts)
        self.reply = lambda _: (200, waiting.pop(0), "stop")


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    yield model
    model.free.set()
    model.server.shutdown()
    model.server.server_close()


def task(row: int = 0, later: tuple[Message, ...] = (), original: str = DIRTY) -> TurnTask:
    prompt = Message("user", f"How long do I boil {row + 2} eggs?")
    messages = (Message("system", "You teach cooking."), prompt, Message("assistant", original), *later)
    return TurnTask("s1", row, f"r{row}", "messages", 2, messages, original, (Hit("opener.certainly", "opener", "x"),))


def scan(text: str, _: str) -> list[Hit]:
    return [Hit("opener.certainly", "opener", "Certainly!")] if text.startswith("Certainly!") else []


def config(model: Model, concurrency: int = 2) -> BackendConfig:
    return BackendConfig(use="vllm", url=model.url, model="m", concurrency=concurrency)


def run(model: Model, path: Path, one: TurnTask, *, attempts: int = 3, sources: tuple[Path, ...] = ()) -> TurnResult:
    async def go() -> TurnResult:
        backend = config(model)
        with AttemptLog(path, sources) as log:
            async with open_backend(backend, retry=QUICK) as client:
                return await regenerate_turn(
                    one,
                    client=client,
                    trait=PLAIN,
                    scan=scan,
                    settings=RegenerateConfig(attempts=attempts),
                    backend=backend,
                    seed=1,
                    log=log,
                )

    return asyncio.run(go())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_clean_answer_is_taken_at_once(model: Model, tmp_path: Path) -> None:
    result = run(model, tmp_path / "log.jsonl", task())
    assert (result.text, result.reason, len(result.attempts)) == (CLEAN, "accepted", 1)
    sent = model.bodies[0]["messages"]
    assert sent[0]["content"] == f"You teach cooking.\n\n{PLAIN.pos_instruction}"
    assert sent[1:] == [{"role": "user", "content": "How long do I boil 2 eggs?"}]
    row = result.attempts[0].as_row()
    assert list(row) == GENERATIONS.names
    assert pa.Table.from_pylist([row], schema=GENERATIONS).num_rows == 1
    assert (row["outcome"], row["completion_tokens"], row["backend"], row["trait_id"]) == (
        "accepted",
        6,
        "vllm",
        "plain",
    )


def test_a_dirty_answer_is_named_and_banned_at_the_next_attempt(model: Model, tmp_path: Path) -> None:
    model.scripted(DIRTY, CLEAN)
    result = run(model, tmp_path / "log.jsonl", task(original="Certainly! Eight minutes."))
    assert result.text == CLEAN
    assert [(a.outcome, a.reason, a.hits_left) for a in result.attempts] == [
        ("rejected", "dirty:opener.certainly", ("opener.certainly",)),
        ("accepted", None, ()),
    ]
    first, second = model.bodies
    assert "Certainly" not in first["messages"][0]["content"]
    assert '"Certainly!"' in second["messages"][0]["content"]
    assert "bad_words" not in first
    assert second["bad_words"] == ["Certainly!"]
    assert first["seed"] != second["seed"]


def test_it_is_given_up_with_the_last_reason(model: Model, tmp_path: Path) -> None:
    model.scripted(DIRTY + " Or nine.", CLEAN[:30], DIRTY)
    result = run(model, tmp_path / "log.jsonl", task())
    assert result.text is None
    assert [attempt.reason for attempt in result.attempts] == ["dirty:opener.certainly", "unfinished", "original_copy"]
    assert result.reason == "original_copy"


def test_what_later_turns_need_is_asked_for_and_kept(model: Model, tmp_path: Path) -> None:
    later = (Message("user", "Would Delia say 8 too?"), Message("assistant", "She would."))
    model.scripted(CLEAN, "As Delia writes, boil them for 8 minutes and cool them.")
    result = run(
        model, tmp_path / "log.jsonl", task(later=later, original="Certainly! Ask Delia or boil them for 8 minutes.")
    )
    assert result.text == "As Delia writes, boil them for 8 minutes and cool them."
    assert result.attempts[0].reason == "lost_reference"
    assert "mention each of them as it stands: Delia, 8." in model.bodies[0]["messages"][0]["content"]
    assert "must mention: Delia, 8." in model.bodies[1]["messages"][0]["content"]
    assert all("She would" not in message["content"] for message in model.bodies[0]["messages"])


def test_reasoning_in_front_of_an_answer_is_not_part_of_it(model: Model, tmp_path: Path) -> None:
    model.scripted(f"<think>\nEggs.\n</think>\n\n{CLEAN}")
    result = run(model, tmp_path / "log.jsonl", task())
    assert result.text == CLEAN
    assert str(result.attempts[0].text).startswith("<think>")


@pytest.mark.parametrize(("status", "reason"), [(400, "status_400"), (500, "status_500")])
def test_a_request_that_does_not_work_ends_its_turn_alone(
    model: Model, tmp_path: Path, status: int, reason: str
) -> None:
    model.reply = lambda body: (status, "", "") if "seed" in body else (200, "Yes.", "stop")
    path = tmp_path / "log.jsonl"
    result = run(model, path, task())
    assert (result.text, result.reason) == (None, reason)
    assert [(line["outcome"], line["reason"]) for line in lines(path)] == [("failed", reason)]
    model.reply = lambda _: (200, CLEAN, "stop")
    assert run(model, path, task()).text == CLEAN  # a failure is never replayed


@pytest.mark.parametrize(
    ("texts", "attempts", "reason"),
    [
        ((CLEAN[:30], CLEAN), 3, "accepted"),
        ((CLEAN[:30],), 1, "truncated"),
        ((CLEAN[:30], CLEAN[:31], CLEAN[:32]), 3, "truncated"),
    ],
)
def test_a_server_that_cannot_give_more_tokens_is_asked_for_as_many_as_before(
    model: Model, tmp_path: Path, texts: tuple[str, ...], attempts: int, reason: str
) -> None:
    waiting = list(texts)

    def reply(body: dict[str, Any]) -> tuple[int, str, str]:
        if body["max_tokens"] > 512:
            return 400, "", ""
        text = waiting.pop(0)
        return 200, text, "stop" if text == CLEAN else "length"

    model.reply = reply
    result = run(model, tmp_path / "log.jsonl", task(), attempts=attempts)
    assert (result.text, result.reason) == (CLEAN if reason == "accepted" else None, reason)
    asked = [512, 1024, *[512] * (len(texts) - 1)]
    assert [body["max_tokens"] for body in model.bodies] == asked
    assert [attempt.outcome for attempt in result.attempts[:2]] == ["rejected", "failed"]


def test_a_refusal_is_written_again_as_a_refusal(model: Model, tmp_path: Path) -> None:
    base = task()
    one = replace(base, hits=(*base.hits, Hit("refusal.cannot", "refusal", "I cannot help with that")))
    model.scripted(CLEAN, "I can't help with boiling eggs at that height.")
    result = run(model, tmp_path / "log.jsonl", one)
    assert result.text == "I can't help with boiling eggs at that height."
    assert result.attempts[0].reason == "lost_refusal"
    assert "Decline" in model.bodies[0]["messages"][0]["content"]


def test_no_user_turn_no_request(model: Model, tmp_path: Path) -> None:
    one = TurnTask("s", 0, "r", "messages", 0, (Message("assistant", DIRTY),), DIRTY)
    assert run(model, tmp_path / "log.jsonl", one) == TurnResult(None, (), "no_prompt")
    assert model.bodies == []


def test_a_finished_request_is_never_sent_again(model: Model, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    model.scripted(DIRTY + " Or nine.", CLEAN)
    first = run(model, log, task())
    again = run(model, log, task())
    assert len(model.bodies) == 2
    assert again.text == first.text
    assert [attempt.replayed for attempt in again.attempts] == [True, True]
    assert [attempt.as_row() for attempt in again.attempts] == [attempt.as_row() for attempt in first.attempts]
    assert len(lines(log)) == 2

    evidence = tmp_path / "generations.parquet"
    pq.write_table(pa.Table.from_pylist([a.as_row() for a in first.attempts], schema=GENERATIONS), evidence)
    for number, source in enumerate((log, evidence)):
        new = tmp_path / f"new{number}.jsonl"
        assert run(model, new, task(), sources=(source,)).text == first.text
        assert run(model, new, task()).text == first.text  # taken over: it needs the source no more
    assert len(model.bodies) == 2


def test_many_turns_at_a_time_each_once(model: Model, tmp_path: Path) -> None:
    done: list[tuple[int, str | None]] = []

    async def go() -> None:
        backend = config(model, 4)
        with AttemptLog(tmp_path / "log.jsonl") as log:
            async with open_backend(backend, retry=QUICK) as client:
                await regenerate_all(
                    (task(row) for row in range(30)),
                    client=client,
                    trait=PLAIN,
                    scan=scan,
                    settings=RegenerateConfig(),
                    backend=backend,
                    seed=1,
                    log=log,
                    on_done=lambda one, result: done.append((one.row, result.text)),
                )

    asyncio.run(go())
    assert sorted(done) == [(row, CLEAN) for row in range(30)]
    assert len({body["seed"] for body in model.bodies}) == 30


def stopped(model: Model, log_path: Path, stop: Callable[[asyncio.Task[None]], object]) -> list[int]:
    """Start 20 turns, 4 at a time, call ``stop`` once 4 are in flight, and return the rows that were done."""
    done: list[int] = []

    async def go() -> None:
        backend = config(model, 4)
        with AttemptLog(log_path) as log:
            async with open_backend(backend, retry=QUICK) as client:
                job = asyncio.ensure_future(
                    regenerate_all(
                        (task(row) for row in range(20)),
                        client=client,
                        trait=PLAIN,
                        scan=scan,
                        settings=RegenerateConfig(),
                        backend=backend,
                        seed=1,
                        log=log,
                        on_done=lambda one, _: done.append(one.row),
                    )
                )
                while len(model.bodies) < 4:
                    await asyncio.sleep(0.005)
                stop(job)
                await job

    with pytest.raises((asyncio.CancelledError, BackendError)):
        asyncio.run(go())
    return done


def test_what_is_in_flight_when_cancelled_is_recorded_and_sent_again(model: Model, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    model.free.clear()
    assert stopped(model, log, lambda job: job.cancel()) == []
    assert [line["outcome"] for line in lines(log)] == ["cancelled"] * 4
    model.free.set()
    assert run(model, log, task(0)).attempts[0].replayed is False


def test_a_server_that_dies_ends_all_and_is_recorded(model: Model, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"

    model.free.clear()

    def die(_: asyncio.Task[None]) -> None:
        model.reply = lambda _: (404, "", "")
        model.free.set()

    assert stopped(model, log, die) == []
    outcomes = [line["outcome"] for line in lines(log)]
    assert len(outcomes) == 4
    assert set(outcomes) <= {"failed", "cancelled"}
    assert "failed" in outcomes


def attempt(number: int, **changes: Any) -> Attempt:
    values: dict[str, Any] = dict.fromkeys(("shard", "row_id", "field", "trait_id", "trait_hash", "model"), "x")
    values |= {"row": number, "turn": 1, "attempt": 1, "recipe": "regenerate", "backend": "local", "seed": 1}
    values |= {"params": "{}", "request_hash": f"hash{number}", "text": f"text {number}", "finish_reason": "stop"}
    values |= {"prompt_tokens": 1, "completion_tokens": 2, "seconds": 0.5, "outcome": "accepted"}
    return Attempt(**{**values, **changes})


def test_a_torn_last_line_is_taken_off_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with AttemptLog(path) as log:
        log.record(attempt(1))
        log.record(attempt(2, outcome="rejected"))
        log.record(attempt(3, outcome="failed", text=None))
    whole = path.read_bytes()
    for cut in (1, 40, len(whole.splitlines(keepends=True)[2]) - 1):
        path.write_bytes(whole[:-cut])
        with AttemptLog(path) as log:
            assert [getattr(log.get(f"hash{n}"), "text", None) for n in (1, 2, 3)] == ["text 1", "text 2", None]
            log.record(attempt(4))
            stored = log.get("hash4")
            assert stored is not None
            assert stored.text == "text 4"
        assert [line["row"] for line in lines(path)] == [1, 2, 4]


def test_a_damaged_log_or_source_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"outcome": "failed"}\nrubbish\n{"outcome": "failed"}\n')
    with pytest.raises(IntegrityError, match=r"log\.jsonl:2"):
        AttemptLog(path)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(IntegrityError, match=r"x\.parquet"):
        AttemptLog(tmp_path / "new.jsonl", [tmp_path / "x.parquet"])


def test_hashes_and_seeds_hang_on_every_part() -> None:
    messages = [{"role": "user", "content": "Hi"}]
    base = request_hash("m", {"a": 1, "b": 2}, messages, 1, 1)
    assert base == request_hash("m", {"b": 2, "a": 1}, [{"content": "Hi", "role": "user"}], 1, "1")
    others = {
        request_hash("n", {"a": 1, "b": 2}, messages, 1, 1),
        request_hash("m", {"a": 1, "b": 3}, messages, 1, 1),
        request_hash("m", {"a": 1, "b": 2}, [*messages, *messages], 1, 1),
        request_hash("m", {"a": 1, "b": 2}, messages, 2, 1),
        request_hash("m", {"a": 1, "b": 2}, messages, 1, 2),
    }
    assert len(others | {base}) == 6
    seeds = {turn_seed(seed, task(row), number) for seed in (1, 2) for row in (0, 1) for number in (1, 2)}
    assert len(seeds) == 8
    assert turn_seed(1, task(), 1) == 297653967  # a change here sends every request of every user again
