"""The client against what stands before a server: caches, gateways that pack, and those with statuses of their own."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from phrasemill.generators.client import Completion
from phrasemill.generators.retry import RequestFailed
from phrasemill.generators.wire import MAX_RESPONSE_BYTES
from tests.unit.scripted_server import (
    QUICK,
    SECRET,
    Choosy,
    Scripted,
    Step,
    answer,
    ask,
    hang,
    is_row,
    named,
    raw,
    serving,
    talk,
)


def name_sent(server: Scripted) -> str:
    return str(re.findall(r"(?i)x-request-id: (\S+)", server.heads[-1])[0])


def test_an_earlier_try_of_the_same_request_may_have_answered_it() -> None:
    names: list[str] = []

    async def cached(writer: asyncio.StreamWriter) -> None:
        names.append(name_sent(server))
        if len(names) == 1:
            await hang(writer)
        await raw(200, named("Paris.", f"chatcmpl-{names[0]}"))(writer)

    server = Scripted(cached)
    assert talk(server, timeout_seconds=2.0, retry=replace(QUICK, down_after=60.0)).text == "Paris."
    assert len(server.bodies) == 2


def test_a_server_behind_a_cache_of_answers_is_up() -> None:
    kept: dict[str, str] = {}

    def cached(body: dict[str, Any]) -> Step:
        if body["messages"][0]["content"] == "poison":
            return raw(500, b"")
        name = kept.setdefault(json.dumps(body), name_sent(server))
        return raw(200, named("Paris.", f"chatcmpl-{name}"))

    server = Choosy(cached)

    async def run() -> list[str]:
        got = []
        async with serving(server, concurrency=1) as client:
            for seed in range(4):
                got.append((await ask(client, seed=seed)).text)
                poison = [{"role": "user", "content": "poison"}]
                with pytest.raises(RequestFailed, match="status_500"):
                    await client.chat(poison, max_tokens=1, temperature=0.0, top_p=1.0, seed=seed)
        return got

    assert asyncio.run(run()) == ["Paris."] * 4
    canaries = [json.dumps(body) for body in server.bodies if "seed" not in body]
    assert len(canaries) == len(set(canaries)) >= 4


def test_whatever_answers_a_canary_the_server_is_up() -> None:
    first: list[str] = []

    def stuck(body: dict[str, Any]) -> Step:
        first.append(name_sent(server))
        if is_row(body):
            return raw(500, b"")
        return raw(200, named("Yes.", f"chatcmpl-{first[0]}"))

    server = Choosy(stuck)
    with pytest.raises(RequestFailed, match="status_500"):
        talk(server)
    assert server.connections > 1  # what else stands in that connection is nobody's


@pytest.mark.parametrize("status", [201, 202, 203])
def test_every_status_of_success_is_one(status: int) -> None:
    body = json.dumps({"choices": [{"message": {"content": "Paris."}}]}).encode()
    models = raw(status, json.dumps({"data": [{"id": "m", "owned_by": "vllm"}]}).encode())
    server = Scripted(raw(status, body), models=models)

    async def run() -> Completion:
        async with serving(server) as client:
            return await ask(client, banned=["as an AI"])

    assert asyncio.run(run()).text == "Paris."
    assert "bad_words" in server.bodies[0]


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress), ("deflate", deflated)],
    ids=["gzip", "capitals", "zlib", "deflate"],
)
def test_a_packed_answer_is_read_and_the_key_in_it_is_not_kept(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    server = Scripted(raw(200, pack(named(f"Paris, {SECRET}.", "a")), f"Content-Encoding: {encoding}"))
    assert talk(server).text == "Paris, [key]."
    assert len(server.bodies) == 1


def test_a_packed_answer_without_end_is_left() -> None:
    bomb = raw(200, gzip.compress(bytes(MAX_RESPONSE_BYTES + 1)), "Content-Encoding: gzip")
    with pytest.raises(RequestFailed, match="too_large"):
        talk(Choosy(lambda body: bomb if is_row(body) else answer()))


def test_a_canary_is_given_half_the_time_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phrasemill.generators.client._CANARY_SECONDS", 0.01)

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        await answer()(writer)

    server = Choosy(lambda body: raw(500, b"") if is_row(body) else slow)
    with pytest.raises(RequestFailed, match="status_500"):
        talk(server, timeout_seconds=60.0)
