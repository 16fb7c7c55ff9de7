"""The request layer of the recipes against a bare asynchronous client: the same requests to the same server.

``request_layer.py [--url URL --model NAME] [--rounds N]`` prints one JSON line. Without an address it starts the
embedded model in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
from clean_vs_copy import machine

from phrasemill.engine.judge_turns import Judge
from phrasemill.engine.rewrite import find_hits, scanner
from phrasemill.engine.shard_job import load_filters
from phrasemill.generators.ask import Ask, Desk, Item, Voice, item_key, seed_of
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.client import Client
from phrasemill.generators.local import start_local
from phrasemill.generators.tasks import Hit, Message
from phrasemill.generators.traits import load_traits
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import InputConfig, RunConfig, TraitsConfig
from phrasemill.schemas.policy import Policy

CLIENTS: Final = (1, 8, 32)
MAX_TOKENS: Final = 16
_SUBJECTS: Final = ("salt", "rain", "a bicycle", "glass", "the moon", "bread", "a lighthouse", "wool", "ink", "clay")


def main() -> None:
    """Measure every number of clients and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="an OpenAI-compatible address, with /v1")
    parser.add_argument("--model", help="the model's name there")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of each side; the first is not counted")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    results: dict[str, Any] = {}
    for clients in CLIENTS:
        if given.url:
            results[str(clients)] = asyncio.run(compare(given.url, given.model, clients, given.rounds))
            continue
        line = [sys.executable, __file__, "--serve", str(clients)]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            url, model = json.loads(server.stdout.readline())
            results[str(clients)] = asyncio.run(compare(url, model, clients, given.rounds))
            server.stdin.close()
    server_name = (given.url and "given") or "embedded"
    print(json.dumps({"benchmark": "request_layer", "machine": machine(), "server": server_name, "clients": results}))


def serve(clients: int) -> None:
    """The embedded server, until stdin ends."""
    server = start_local(concurrency=clients, context=512, threads=None)
    print(json.dumps([server.url, server.model]), flush=True)
    sys.stdin.read()


async def compare(url: str, model: str, clients: int, rounds: int) -> dict[str, Any]:
    """Requests per second of each side, by the median of rounds in turns; every round asks something new."""
    speeds: dict[str, list[float]] = {"bare": [], "ask": [], "ask_and_check": []}
    count = max(8, 2 * clients)
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        desk_of = desks(url, model, clients, Path(folder))
        for number in range(rounds):
            sides: dict[str, Callable[[], Awaitable[None]]] = {
                "bare": lambda n=number: bare(url, model, clients, count, n),  # type: ignore[misc]
                "ask": lambda n=number: ours(desk_of("ask", n), clients, count, n, check=False),  # type: ignore[misc]
                "ask_and_check": lambda n=number: ours(  # type: ignore[misc]
                    desk_of("check", n), clients, count, n, check=True
                ),
            }
            names = list(sides)
            for name in (*names[number % 3 :], *names[: number % 3]):
                began = time.perf_counter()
                await sides[name]()
                if number:
                    speeds[name].append(count / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "requests_per_round": count,
        "requests_per_second": {name: round(value, 3) for name, value in medians.items()},
        "ratio": {name: round(medians[name] / medians["bare"], 3) for name in ("ask", "ask_and_check")},
        "all": {name: [round(value, 3) for value in values] for name, values in speeds.items()},
    }


def prompt(number: int, place: int) -> str:
    """A short question, another one for every place and round."""
    return f"Write a few lines about {_SUBJECTS[place % len(_SUBJECTS)]}, number {number * 1000 + place}."


async def bare(url: str, model: str, clients: int, count: int, number: int) -> None:
    """The same bodies, straight to the server."""
    slots = asyncio.Semaphore(clients)
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(timeout=600, limits=limits, trust_env=False) as client:

        async def one(place: int) -> None:
            async with slots:
                messages = [{"role": "user", "content": prompt(number, place)}]
                body = {
                    "model": model,
                    "messages": messages,
                    "max_tokens": MAX_TOKENS,
                    "temperature": 0.0,
                    "top_p": 1.0,
                }
                body["seed"] = seed_of(1, _item(number, place).key, "answer", 0)
                response = await client.post(f"{url}/chat/completions", json=body)
                response.raise_for_status()

        await asyncio.gather(*(one(place) for place in range(count)))


def _item(number: int, place: int) -> Item:
    (trait,) = load_traits(TraitsConfig())
    messages = (Message("user", prompt(number, place)),)
    return Item(trait, item_key(trait, messages), messages)


def desks(url: str, model: str, clients: int, folder: Path) -> Callable[[str, int], Desk]:
    """A desk with a log of its own for every side and round: nothing is answered from an earlier one."""
    filters = load_filters(RunConfig(input=InputConfig(path=("none",))))
    judge = Judge(filters, Policy())
    scan = scanner(judge)
    settings = BackendConfig(use="openai", url=url, model=model, temperature=0.0, top_p=1.0, max_tokens=MAX_TOKENS)

    def found(text: str, previous_user: str) -> list[Hit]:
        return [Hit(hit.rule_id, hit.category, "") for hit in find_hits(text, previous_user, judge)]

    def desk(side: str, number: int) -> Desk:
        client = Client(url, model, concurrency=clients, timeout_seconds=600)
        return Desk(
            voices={"backend": Voice(client, settings)},
            log=AttemptLog(folder / f"{side}-{clients}-{number}.jsonl"),
            scan=lambda _trait, text, previous_user: scan(text, previous_user),
            refuses=lambda _text, _previous_user: False,
            find=found,
            seed=1,
            recipe="bench",
        )

    return desk


async def ours(desk: Desk, clients: int, count: int, number: int, *, check: bool) -> None:
    """The same requests through the request layer, with its log and evidence; with guards and filters where asked."""
    slots = asyncio.Semaphore(clients)

    async def one(place: int) -> None:
        async with slots:
            ask = Ask(desk, _item(number, place))
            answer = await ask(ask.item.messages, part="answer")
            if check:
                ask.check(answer)

    with desk.log:
        async with desk.voices["backend"].client:
            await asyncio.gather(*(one(place) for place in range(count)))


if __name__ == "__main__":
    main()
