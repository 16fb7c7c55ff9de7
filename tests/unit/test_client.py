"""The client against a server that follows a script of faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from phrasemill.generators.backend import open_backend
from phrasemill.generators.bans import ban_fields
from phrasemill.generators.client import Client, Completion
from phrasemill.generators.retry import RequestFailed, RequestRefused, RetryPolicy, retry_after_seconds
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import BackendError, ConfigError

Step = Callable[[asyncio.StreamWriter], Awaitable[None]]

SECRET = "canary-key-51f0"
ROW_TEXT = "the canary sentence of a row"
QUICK = RetryPolicy(tries=4, base=0.001, cap=0.002, retry_after_cap=0.05, down_after_failures=8, down_after=0.0)


def raw(status: int, body: bytes, *headers: str, cut: int | None = None) -> Step:
    async def step(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body[:cut])
        await writer.drain()
        if cut is not None:
            writer.close()

    return step


def answer(text: str = "Paris.", finish: str = "stop", *more: str) -> Step:
    choices = [
        {"index": at, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
        for at, content in enumerate((text, *more))
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return raw(200, json.dumps({"choices": choices[::-1], "usage": usage}).encode())


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.02)


class Scripted:
    """Plays one step a request, the last one for ever; ``bodies`` are the requests, ``most`` in flight at once."""

    def __init__(self, *steps: Step, owner: str = "someone", models: Step | None = None) -> None:
        self.steps = list(steps)
        self.models = models or raw(200, json.dumps({"data": [{"id": "m", "owned_by": owner}]}).encode())
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.probes = self.connections = self.flying = self.most = 0
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if head.startswith("GET /v1/models"):
                    self.probes += 1
                    await self.models(writer)
                    continue
                length = next(int(line.split(":")[1]) for line in head.lower().splitlines() if "content-length" in line)
                self.bodies.append(json.loads(await reader.readexactly(length)))
                self.heads.append(head)
                self.flying += 1
                self.most = max(self.most, self.flying)
                try:
                    await (self.steps.pop(0) if len(self.steps) > 1 else self.steps[0])(writer)
                finally:
                    self.flying -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(server: Scripted, **options: Any) -> AsyncIterator[Client]:
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}/v1"
    try:
        async with Client(server.url, "m", key=SECRET, retry=QUICK, **options) as client:
            yield client
    finally:
        listener.close()


async def ask(client: Client, **options: Any) -> Completion:
    messages = [{"role": "user", "content": ROW_TEXT}]
    return await client.chat(messages, **{"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 4, **options})


def talk(server: Scripted, **options: Any) -> Completion:
    async def run() -> Completion:
        async with serving(server, **options) as client:
            return await ask(client)

    return asyncio.run(run())


def test_request_and_answer_on_the_wire() -> None:
    server = Scripted(answer("One.", "length", "Two."))

    async def run() -> Completion:
        async with serving(server) as client:
            return await ask(client, stop=["END"], n=2)

    got = asyncio.run(run())
    assert (got.text, got.finish_reason, got.prompt_tokens, got.completion_tokens) == ("One.", "length", 7, 3)
    assert [choice.text for choice in got.others] == ["Two."]
    assert server.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": ROW_TEXT}],
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 4,
            "stop": ["END"],
            "n": 2,
        }
    ]
    assert f"Bearer {SECRET}" in server.heads[0]


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
        pytest.param(raw(200, b"<html>busy</html>"), id="not-json"),
        pytest.param(raw(200, b'{"choices": []}'), id="no-choices"),
        pytest.param(raw(200, b'{"choices": null}'), id="null-choices"),
        pytest.param(hang, id="hangs"),
        pytest.param(drip, id="drips"),
    ],
)
def test_a_passing_fault_is_tried_again(fault: Step) -> None:
    server = Scripted(fault, answer())
    assert talk(server, timeout_seconds=0.3).text == "Paris."
    assert len(server.bodies) == 2
    assert server.bodies[0] == server.bodies[1]


@pytest.mark.parametrize("status", [401, 403, 404, 301, 405])
def test_a_wrong_key_or_address_ends_the_run_at_once(status: int) -> None:
    server = Scripted(raw(status, json.dumps({"error": {"message": f"{SECRET} {ROW_TEXT}"}}).encode()))
    with pytest.raises(BackendError) as caught:
        talk(server)
    message = str(caught.value)
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
    server = Scripted(raw(500, b""))
    with pytest.raises(RequestFailed, match="status_500"):
        talk(server)
    assert len(server.bodies) == QUICK.tries
    assert server.probes == 1


def test_a_request_that_always_times_out_is_given_up_earlier() -> None:
    server = Scripted(hang)
    with pytest.raises(RequestFailed, match="timeout"):
        talk(server, timeout_seconds=0.05)
    assert len(server.bodies) == QUICK.timeouts


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
        server = Scripted(reset, reset, reset, reset, reset, reset, answer(), models=reset)
        async with serving(server) as client:
            return await ask(client), len(server.bodies)

    got, tries = asyncio.run(run())
    assert got.text == "Paris."
    assert tries == 7  # past QUICK.tries: the server was not seen to be up in between


def test_no_more_requests_at_a_time_than_allowed_over_kept_connections() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        await answer()(writer)

    server = Scripted(slow)

    async def run() -> None:
        async with serving(server, concurrency=3) as client:
            await asyncio.gather(*(ask(client) for _ in range(15)))

    asyncio.run(run())
    assert server.most == 3
    assert server.connections <= 3


@pytest.mark.parametrize(
    ("owner", "field"), [("llamacpp", "grammar"), ("vllm", "bad_words"), ("openai", None)], ids=str
)
def test_bans_are_said_in_the_words_of_the_server(owner: str, field: str | None) -> None:
    server = Scripted(answer(), owner=owner)

    async def run() -> None:
        async with serving(server) as client:
            await ask(client, banned=["Certainly!"])
            await ask(client, banned=["Certainly!"])

    asyncio.run(run())
    extra = set(server.bodies[0]) - {"model", "messages", "max_tokens", "temperature", "top_p", "seed"}
    assert extra == ({field} if field else set())
    assert server.probes == 1


def test_a_bare_word_is_never_banned() -> None:
    assert ban_fields("llama.cpp", ["sure", "  "]) == {}
    assert ban_fields("vllm", ["sure", "Sure!"]) == {"bad_words": ["Sure!"]}


def accepts(grammar: str, text: str) -> bool:
    """Walk the rules over ``text``, as a server does; their classes are those of ``re`` too."""
    rules = dict(line.split(" ::= ") for line in grammar.splitlines())
    state = "root"
    for character in text:
        moves = [move.split() for move in rules[state].split(" | ")[1:]]
        targets = [target for charset, target in moves if re.fullmatch(charset, character)]
        if not targets:
            return False
        (state,) = targets  # never two ways: the automaton is deterministic
    return True


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        ("An AI model", False),
        ("So, as an\n AI\tMODEL too", True),  # a run of white space is one space in a phrase, not two
        ("So, as an\nAI\tMODEL", False),
        ("(an ai model)", False),
        ("an an ai model", False),
        ("Jan AI model", True),
        ("an ai  mode", True),
        ("I don\u2019t know!", False),
        ("I don't know.", True),
        ("Certainly", True),
        ("certainly! yes", False),
        ("an \u4e2d AI \u00e9t\u00e9", True),
    ],
)
def test_a_grammar_takes_every_text_without_the_phrases(text: str, is_allowed: bool) -> None:
    grammar = ban_fields("llama.cpp", ["an AI model", "I don't know!", "Certainly!"])["grammar"]
    assert accepts(grammar, text) is is_allowed


def test_retry_after() -> None:
    assert retry_after_seconds("1.5") == 1.5
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


@pytest.mark.parametrize(
    "url",
    ["ftp://host/v1", "host:8000", "http:///v1", "http://169.254.169.254/v1"],
    ids=["ftp", "bare", "empty", "cloud"],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"backend\.url"):
        Client(url, "m")


def test_a_password_in_the_address_is_not_shown() -> None:
    client = Client("http://me:hunter2@127.0.0.1:9/v1?token=hunter2", "m")
    assert client.shown_url == "http://127.0.0.1:9/v1"


def test_a_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Scripted(answer())
    monkeypatch.setenv("A_KEY_OF_OURS", SECRET)

    async def run() -> None:
        async with serving(server):
            config = BackendConfig(use="openai", url=server.url, model="m", api_key_env="A_KEY_OF_OURS")
            async with open_backend(config) as client:
                await ask(client)
            monkeypatch.delenv("A_KEY_OF_OURS")
            with pytest.raises(ConfigError, match="A_KEY_OF_OURS"):
                async with open_backend(config):
                    pass

    asyncio.run(run())
    assert f"Bearer {SECRET}" in server.heads[0]


def refusing(*names: str) -> Callable[[dict[str, Any]], Step]:
    """A server's step for a body: status 400 where it has one of the fields, else an answer."""
    refusal = raw(400, json.dumps({"error": {"message": ROW_TEXT, "type": "unknown_field"}}).encode())
    return lambda body: refusal if set(names) & body.keys() else answer()


class Choosy(Scripted):
    """Plays the step that its rule gives for the last body."""

    def __init__(self, rule: Callable[[dict[str, Any]], Step], owner: str = "someone") -> None:
        async def step(writer: asyncio.StreamWriter) -> None:
            await rule(self.bodies[-1])(writer)

        super().__init__(step, owner=owner)


def test_what_an_unknown_server_refuses_is_left_out_from_then_on() -> None:
    server = Choosy(refusing("response_format"))

    async def run() -> None:
        async with serving(server) as client:
            for _ in range(3):
                assert (await ask(client, schema={"type": "object"}, logprobs=2)).text == "Paris."

    asyncio.run(run())
    assert ["response_format" in body for body in server.bodies] == [True, True, False, False, False]
    assert ["logprobs" in body for body in server.bodies] == [True, False, True, True, True]


def test_a_request_that_is_refused_for_itself_takes_nothing_from_the_others() -> None:
    server = Choosy(lambda body: refusing("stop")(body))

    async def run() -> None:
        async with serving(server) as client:
            with pytest.raises(RequestRefused, match="unknown_field"):
                await ask(client, schema={"type": "object"}, stop=["x"])
            await ask(client, schema={"type": "object"})
            with pytest.raises(RequestRefused):
                await ask(client, schema={"type": "object"}, stop=["x"])

    asyncio.run(run())
    assert ["response_format" in body for body in server.bodies] == [True, False, True, True]


def test_a_known_server_that_refuses_a_schema_is_believed() -> None:
    server = Choosy(refusing("response_format"), owner="vllm")
    with pytest.raises(RequestRefused):
        talk_with(server, schema={"type": "object"})
    assert len(server.bodies) == 1


def talk_with(server: Scripted, **options: Any) -> Completion:
    async def run() -> Completion:
        async with serving(server) as client:
            return await ask(client, **options)

    return asyncio.run(run())


@pytest.mark.parametrize(("owner", "sent"), [("llamacpp", [4, 5, 6]), ("someone", [4, 5, 6])])
def test_n_answers_come_however_many_a_server_gives_at_a_time(owner: str, sent: list[int]) -> None:
    server = Choosy(lambda body: answer(f"seed {body['seed']}"), owner=owner)
    got = talk_with(server, n=3)
    assert [got.text, *(other.text for other in got.others)] == ["seed 4", "seed 5", "seed 6"]
    assert sorted(body["seed"] for body in server.bodies) == sent
    assert [body.get("n") for body in server.bodies] == ([None] * 3 if owner == "llamacpp" else [3, None, None])
    assert got.completion_tokens == 9
