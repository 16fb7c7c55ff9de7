"""The client against a server that follows a script of faults."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from email.utils import formatdate

import pytest

from phrasemill.generators.client import Client, Completion
from phrasemill.generators.retry import RequestFailed, RequestRefused, RetryPolicy
from phrasemill.generators.wire import MAX_RESPONSE_BYTES
from phrasemill.schemas.errors import BackendError, BackendRefused
from tests.unit.scripted_server import (
    QUICK,
    ROW_TEXT,
    SECRET,
    Choosy,
    Scripted,
    Step,
    answer,
    ask,
    drip,
    hang,
    is_row,
    named,
    raw,
    reset,
    serving,
    talk,
)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(raw(429, b"{}", "Retry-After: 0"), id="429"),
        pytest.param(raw(408, b""), id="408"),
        pytest.param(raw(409, b""), id="409"),
        pytest.param(raw(425, b""), id="425"),
        pytest.param(raw(500, b"oops"), id="500"),
        pytest.param(raw(503, b"", "Retry-After: 3600"), id="503-with-a-long-wait-is-capped"),
        pytest.param(reset, id="reset-before-headers"),
        pytest.param(raw(200, b'{"choices": [{"mess', cut=10), id="reset-inside-the-body"),
        pytest.param(raw(200, b'{"choices": [{"mess'), id="truncated-json"),
        pytest.param(raw(200, b"<html>busy</html>", "Content-Type: text/html"), id="not-json"),
        pytest.param(raw(200, b'data: {"choices": []}\n\n', "Content-Type: text/event-stream"), id="a-stream"),
        pytest.param(raw(200, b"\x1f\x8b\x08", "Content-Encoding: gzip"), id="packed"),
        pytest.param(raw(200, b"[" * 100_000), id="nested"),
        pytest.param(raw(200, b'{"error": {"message": "busy", "code": 500}}'), id="an-error-that-says-200"),
        pytest.param(raw(200, b'{"choices": [{"message": {"content": [{"text": "x"}]}}]}'), id="parts"),
        pytest.param(raw(429, b"{}", f"Retry-After: {formatdate(time.time() - 9, usegmt=True)}"), id="429-with-a-date"),
        pytest.param(raw(503, b"", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), id="503-until-the-end-of-time"),
        pytest.param(raw(429, b"", "Retry-After: nan"), id="429-with-no-number"),
        pytest.param(raw(200, b'{"choices": []}'), id="no-choices"),
        pytest.param(raw(200, b'{"choices": null}'), id="null-choices"),
        pytest.param(hang, id="hangs"),
        pytest.param(drip, id="drips"),
    ],
)
def test_a_passing_fault_is_tried_again(fault: Step) -> None:
    server = Scripted(fault, answer())
    assert talk(server, timeout_seconds=0.5, retry=replace(QUICK, down_after=30.0)).text == "Paris."
    assert len(server.bodies) == 2
    assert server.bodies[0] == server.bodies[1]


@pytest.mark.parametrize("status", [401, 403, 404, 301, 405])
def test_a_wrong_key_or_address_ends_the_run_at_once(status: int) -> None:
    server = Scripted(raw(status, json.dumps({"error": {"message": f"{SECRET} {ROW_TEXT}"}}).encode()))
    with pytest.raises(BackendRefused) as caught:
        talk(server)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert len(server.bodies) == 1
    assert server.url in message
    assert str(status) in message
    assert SECRET not in message
    assert ROW_TEXT not in message


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_fails_alone(status: int) -> None:
    error = {"error": {"message": ROW_TEXT, "type": "context_too_long", "code": status}}
    server = Scripted(answer(), raw(status, json.dumps(error).encode()), answer())

    async def run() -> None:
        async with serving(server) as client:
            await ask(client)
            with pytest.raises(RequestRefused) as caught:
                await ask(client)
            assert caught.value.reason == "context_too_long"
            assert ROW_TEXT not in str(caught.value)
            assert (await ask(client)).text == "Paris."

    asyncio.run(run())


def test_a_server_that_refuses_everything_from_the_start_ends_the_run() -> None:
    async def run() -> int:
        async with serving(Scripted(raw(400, b"{}"))) as client:
            for asked in range(1, 100):
                try:
                    await ask(client)
                except RequestRefused:
                    continue
                except BackendError:
                    return asked
        return 0

    assert asyncio.run(run()) == QUICK.down_after_failures


def test_one_bad_request_is_given_up_while_the_server_is_up() -> None:
    server = Choosy(lambda body: raw(500, b"") if is_row(body) else answer())
    with pytest.raises(RequestFailed, match="status_500"):
        talk(server)
    assert [is_row(body) for body in server.bodies] == [True] * (QUICK.tries - 1) + [False, True]


def test_a_request_that_always_times_out_is_given_up_earlier() -> None:
    server = Choosy(lambda body: hang if is_row(body) else answer())
    with pytest.raises(RequestFailed, match="timeout"):
        talk(server, timeout_seconds=0.3, retry=replace(QUICK, down_after=30.0))
    assert sum(map(is_row, server.bodies)) == QUICK.timeouts < QUICK.tries


def test_a_dead_server_ends_the_run_and_no_row_is_given_up_before() -> None:
    async def run() -> list[BaseException | Completion]:
        server = Scripted(answer())
        async with serving(server) as client:
            pass
        async with Client(server.url, "m", retry=QUICK) as client:
            return await asyncio.gather(*(ask(client) for _ in range(3)), return_exceptions=True)

    results = asyncio.run(run())
    assert {type(result) for result in results} == {BackendError}
    assert "run the same command again" in str(results[0])


def test_a_server_that_comes_back_is_used() -> None:
    async def run() -> tuple[Completion, int]:
        server = Scripted(*[raw(500, b"")] * 12, answer(), models=reset)
        async with serving(server, retry=replace(QUICK, down_after=30.0)) as client:
            return await ask(client), sum(map(is_row, server.bodies))

    got, tries = asyncio.run(run())
    assert got.text == "Paris."
    assert tries == QUICK.tries  # the others asked whether it is up, with no row in them


def test_a_server_that_lists_its_models_and_answers_nothing_is_down_and_costs_no_row() -> None:
    async def run() -> list[BaseException | Completion]:
        async with serving(Scripted(raw(500, b"")), retry=replace(QUICK, down_after=0.1)) as client:
            return await asyncio.gather(*(ask(client) for _ in range(12)), return_exceptions=True)

    assert {type(result) for result in asyncio.run(run())} == {BackendError}


def test_a_request_that_breaks_every_connection_is_given_up_and_those_beside_it_are_not() -> None:
    server = Choosy(lambda body: reset if body["messages"][0]["content"] == "poison" else answer())

    async def run() -> list[BaseException | Completion]:
        async with serving(server, retry=replace(QUICK, tries=9)) as client:
            poison = [{"role": "user", "content": "poison"}]
            bad = client.chat(poison, max_tokens=1, temperature=0.0, top_p=1.0, seed=1)
            return await asyncio.gather(bad, *(ask(client) for _ in range(20)), return_exceptions=True)

    bad, *others = asyncio.run(run())
    assert isinstance(bad, RequestFailed)
    assert bad.reason == "remote_protocol_error"
    assert all(isinstance(other, Completion) for other in others)
    assert sum(body["messages"][0]["content"] == "poison" for body in server.bodies) == QUICK.lost


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb'{"choices": [{"message": {"content": "half \ud83d"}}], "id": "a"}', "half \ufffd"),
        (b'{"choices": [{"message": {"content": "bytes \xff"}}]}', "bytes \ufffd"),
        (rb'{"choices": [{"message": {"content": "nul \u0000"}}]}', "nul \x00"),
        (b'{"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]}', ""),
        (b'{"choices": [{"message": {"content": ""}}], "usage": {"prompt_tokens": 1e30, "completion_tokens": -4}}', ""),
        (b'{"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": "many"}}', "a"),
        (b'{"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]}', "a"),
    ],
    ids=["surrogate", "bytes", "nul", "null", "counts", "words", "twice"],
)
def test_an_answer_that_is_odd_is_an_answer(content: bytes, text: str) -> None:
    server = Scripted(raw(200, content))
    got = talk(server)
    assert (got.text, got.others, got.prompt_tokens, got.completion_tokens) == (text, (), 0, 0)
    assert got.finish_reason == ("content_filter" if b"filter" in content else "stop")
    assert len(server.bodies) == 1


def test_a_body_without_end_is_left() -> None:
    written: list[int] = []

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        part = b" " * 2**20
        while not writer.is_closing() and sum(written) < 40 * MAX_RESPONSE_BYTES:
            writer.write(part)
            await writer.drain()
            written.append(len(part))

    server = Choosy(lambda body: flood if is_row(body) else answer())
    with pytest.raises(RequestFailed, match="too_large"):
        talk(server)
    assert sum(map(is_row, server.bodies)) == QUICK.timeouts
    assert sum(written) < 40 * MAX_RESPONSE_BYTES


def test_an_answer_that_is_sent_twice_does_not_answer_the_next_request() -> None:
    def echo() -> bytes:
        number = len(server.bodies)
        body = named(f"seed {server.bodies[-1]['seed']}", f"a-{number}")
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def once(writer: asyncio.StreamWriter) -> None:
        writer.write(echo())

    async def twice(writer: asyncio.StreamWriter) -> None:
        writer.write(echo() * 2)

    server = Scripted(twice, once, twice, once)

    async def run() -> list[str]:
        async with serving(server, concurrency=1) as client:
            return [(await ask(client, seed=seed)).text for seed in range(6)]

    assert asyncio.run(run()) == [f"seed {seed}" for seed in range(6)]
    assert server.connections > 1


def test_answers_that_all_have_one_name_are_taken() -> None:
    server = Scripted(raw(200, named("Paris.", "chatcmpl-1")))

    async def run() -> None:
        async with serving(server, concurrency=2) as client:
            await asyncio.gather(*(ask(client) for _ in range(30)))

    asyncio.run(run())
    assert len(server.bodies) < 40


def test_an_answer_that_names_another_request_is_not_taken() -> None:
    names: list[str] = []

    async def swapped(writer: asyncio.StreamWriter) -> None:
        names.append(re.findall(r"(?i)x-request-id: (\S+)", server.heads[-1])[0])
        wrong = len(names) == 2
        await raw(200, named("wrong" if wrong else "right", f"chatcmpl-{names[0] if wrong else names[-1]}"))(writer)

    server = Scripted(swapped)

    async def run() -> list[str]:
        async with serving(server) as client:
            return [(await ask(client)).text for _ in range(3)]

    assert asyncio.run(run()) == ["right", "right", "right"]
    assert len(set(names)) == len(names) == 4


def test_a_wrong_model_is_named_with_what_is_served() -> None:
    listed = [{"id": "llama-3.1-8b"}, {"id": "org/other"}, {"id": f"x {ROW_TEXT}"}, {"id": SECRET}, "no model"]
    models = raw(200, json.dumps({"data": listed[:4]}).encode())
    server = Scripted(raw(404, json.dumps({"error": {"message": ROW_TEXT}}).encode()), models=models)
    with pytest.raises(BackendRefused, match=r"no model 'm'; it serves llama-3\.1-8b, org/other: ") as caught:
        talk(server)
    assert SECRET not in str(caught.value)
    assert ROW_TEXT not in str(caught.value)
    with pytest.raises(BackendRefused, match="no such address"):
        talk(Scripted(raw(404, b""), models=raw(404, b"")))


def test_a_key_that_stops_working_is_a_service_that_is_down() -> None:
    async def run() -> None:
        async with serving(Scripted(answer(), raw(401, b"{}"))) as client:
            await ask(client)
            with pytest.raises(BackendError) as caught:
                await ask(client)
            assert caught.value.exit_code == 4

    asyncio.run(run())


def test_a_key_that_comes_back_as_a_reason_is_not_shown() -> None:
    key = SECRET.replace("-", "_")
    server = Scripted(raw(400, json.dumps({"error": {"code": key}}).encode()))
    with pytest.raises(RequestRefused, match="status_400") as caught:
        talk(server, key=key)
    assert key not in str(caught.value)


def test_a_redirect_is_refused_and_the_key_stays_here() -> None:
    async def run() -> Scripted:
        other = Scripted(answer())
        async with serving(other):
            moved = Scripted(raw(307, b"", f"Location: {other.url}/chat/completions"))
            with pytest.raises(BackendRefused, match="another address"):
                async with serving(moved) as client:
                    await ask(client)
        return other

    assert asyncio.run(run()).connections == 0


def test_a_proxy_of_the_environment_is_for_other_machines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        proxy, here = Scripted(answer("Through the proxy.")), Scripted(answer("Direct."))
        async with serving(proxy):
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
            for name in ("NO_PROXY", "no_proxy"):
                monkeypatch.delenv(name, raising=False)
            async with serving(here) as client:
                assert (await ask(client)).text == "Direct."
            async with Client("http://model.invalid/v1", "m", key=SECRET, retry=QUICK) as far:
                assert (await ask(far)).text == "Through the proxy."
        assert proxy.heads[0].startswith("POST http://model.invalid/v1/chat/completions ")

    asyncio.run(run())


def test_a_request_that_waits_holds_no_place() -> None:
    busy = raw(429, b"", "Retry-After: 3600")
    server = Choosy(lambda body: busy if body["seed"] == 0 else answer())

    async def run() -> list[Completion]:
        async with serving(server, concurrency=1, retry=RetryPolicy()) as client:
            waiting = asyncio.ensure_future(ask(client, seed=0))
            async with asyncio.timeout(50):
                others = await asyncio.gather(*(ask(client, seed=seed) for seed in range(1, 6)))
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        return others

    assert len(asyncio.run(run())) == 5
    assert [body["seed"] for body in server.bodies].count(0) == 1
