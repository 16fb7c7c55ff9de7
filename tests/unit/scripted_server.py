"""A server that follows a script of faults over real sockets, and a client that asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from phrasemill.generators.client import Client, Completion
from phrasemill.generators.retry import RetryPolicy

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


def is_row(body: dict[str, Any]) -> bool:
    """Whether the request is a row's; the others ask whether the server is up."""
    return bool(body["messages"][0]["content"] == ROW_TEXT)


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
        async with Client(server.url, "m", **{"key": SECRET, "retry": QUICK, **options}) as client:
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


def named(text: str, name: str) -> bytes:
    choice = {"finish_reason": "stop", "message": {"content": text}}
    return json.dumps({"id": name, "choices": [choice]}).encode()


class Choosy(Scripted):
    """Plays the step that its rule gives for the last body."""

    def __init__(self, rule: Callable[[dict[str, Any]], Step], owner: str = "someone") -> None:
        async def step(writer: asyncio.StreamWriter) -> None:
            await rule(self.bodies[-1])(writer)

        super().__init__(step, owner=owner)


def talk_with(server: Scripted, **options: Any) -> Completion:
    async def run() -> Completion:
        async with serving(server) as client:
            return await ask(client, **options)

    return asyncio.run(run())
