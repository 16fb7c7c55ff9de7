"""The client on the wire: requests, answers, addresses and what a server of each kind is asked."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from pydantic import ValidationError

from phrasemill.generators.backend import open_backend
from phrasemill.generators.bans import ban_fields
from phrasemill.generators.client import Client, Completion
from phrasemill.generators.retry import RequestRefused, retry_after_seconds
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.errors import ConfigError
from tests.unit.scripted_server import ROW_TEXT, SECRET, Choosy, Scripted, Step, answer, ask, raw, serving, talk_with


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


def test_more_stops_than_servers_take_are_never_sent() -> None:
    server = Scripted(answer("One."))

    async def run() -> None:
        async with serving(server) as client:
            await ask(client, stop=["a", "b", "c", "d", "e"])

    with pytest.raises(ValueError, match="got 5 strings, the wire format allows 4"):
        asyncio.run(run())
    assert server.bodies == []


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
    assert retry_after_seconds("nan") is None
    assert retry_after_seconds("-5") == 0.0
    assert 50 < (retry_after_seconds(formatdate(time.time() + 60, usegmt=True)) or 0) <= 60
    assert retry_after_seconds(None) is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "host:8000",
        "http:///v1",
        "http://169.254.169.254/v1",
        "http://2852039166/v1",
        "http://[::ffff:a9fe:a9fe]/v1",
        "http://0xa9feaa02/v1",
        "http://169.254.170.23./v1",
        "http://[64:ff9b::169.254.0.23]/v1",
        "http://[fd00:0ec2:0:0::254]/v1",
        "http://Metadata.Google.Internal./v1",
    ],
    ids=["ftp", "bare", "empty", "cloud", "number", "in-six", "hex", "dot", "through-nat", "long-six", "name"],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"backend\.url"):
        Client(url, "m")


@pytest.mark.parametrize("url", ["http://169.254.10.2:8000/v1", "http://[fe80::1]:8000/v1"])
def test_a_server_on_the_same_link_is_a_server(url: str) -> None:
    assert Client(url, "m").shown_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example/v1/@cf/meta",
        "http://[2001:db8::1]:8000/v1",
        "https://h.example/v1?api-version=2025-01-01-preview",
    ],
)
def test_an_address_without_a_secret_is_taken(url: str) -> None:
    assert BackendConfig(use="openai", url=url, model="m").url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://ab/cd@h.example/v1",
        "https://me:ab/@h.example/v1",
        "https://@cf@h.example/v1",
        "http://[2001:db8::1]/v1?api_key=abc",
    ],
)
def test_an_address_with_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="would stand in the output"):
        BackendConfig(use="openai", url=url, model="m")


@pytest.mark.parametrize(
    "path",
    [
        "github://org:repo@main/data/a.jsonl",
        "simplecache::github://org:repo@main/data/a.jsonl",
        "s3://bucket/shard-?-tokenized.parquet",
        "gs://b/data?/author_shards/*.parquet",
        "gs://b/data?/author=jane/*.parquet",
        "s3://b/a.parquet?versionId=3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
        "https://h/a.parquet?versionId=3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
        "http://h/a.jsonl?filename=training-conversations-2025.jsonl",
    ],
)
def test_an_ordinary_path_is_taken(path: str) -> None:
    assert InputConfig(path=path).path == (path,)


@pytest.mark.parametrize(
    "path",
    [
        "github://me:ghp_AbCdEf0123456789AbCd@main/a.jsonl",
        "s3://id:ab/cd@bucket/a.parquet",
        "abfs://c@a.example/x.parquet?sv=1&sig=abc",
        "s3://b/a-?.parquet?access_token=abc",
        "simplecache::https://h/a.jsonl?v=abcdefghijklmnopqrstuvwxyz",
        "https://h/a.jsonl?token",
    ],
)
def test_a_path_with_a_secret_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="would stand in the output"):
        InputConfig(path=path)


@pytest.mark.parametrize("name", ["openai_api_key", "hf_token", "OPENAI_API_KEY", "_Key", "AZURE_KEY_2"])
def test_the_name_of_a_variable_is_taken_however_it_is_written(name: str) -> None:
    assert BackendConfig(use="openai", url="http://h/v1", model="m", api_key_env=name).api_key_env == name


@pytest.mark.parametrize(
    "key",
    [
        "hf_" + "AbCdEfGhIj" * 3,
        "gsk_a1b2c3",
        "sk_live_" + "abcdefgh" * 2,
        "a" + "0123456789abcdef" * 2,
        "kanarie_5fK2",
        "a_" * 33,
        "abcdefghij" * 4,
    ],
)
def test_a_key_for_the_name_of_a_variable_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="expected the NAME of an environment variable"):
        BackendConfig(use="openai", url="http://h/v1", model="m", api_key_env=key)


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


@pytest.mark.parametrize(("owner", "sent"), [("llamacpp", [4, 5, 6]), ("someone", [4, 5, 6])])
def test_n_answers_come_however_many_a_server_gives_at_a_time(owner: str, sent: list[int]) -> None:
    server = Choosy(lambda body: answer(f"seed {body['seed']}"), owner=owner)
    got = talk_with(server, n=3)
    assert [got.text, *(other.text for other in got.others)] == ["seed 4", "seed 5", "seed 6"]
    assert sorted(body["seed"] for body in server.bodies) == sent
    assert [body.get("n") for body in server.bodies] == ([None] * 3 if owner == "llamacpp" else [3, None, None])
    assert got.completion_tokens == 9
