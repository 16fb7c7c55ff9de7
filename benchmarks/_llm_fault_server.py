"""A model server with faults: ``_llm_fault_server.py --faults 0.2 --delay 0.02 --seed 1`` prints its port and serves.

Which request meets which fault is drawn for each request, those that are sent again too. ``GET /counts`` says what was
answered, by kind. It speaks HTTP itself, so that it can break what a server of a library would not let it break.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections import Counter
from typing import Any, Final

FAULTS: Final = ("429", "500", "reset", "reset_in_body", "half_json", "hang", "length")
HANG_SECONDS: Final = 4.0
"""Longer than a client waits that is told to be short of patience."""


class Server:
    """Answers after ``delay`` seconds; a share ``faults`` of the requests meets one of FAULTS."""

    def __init__(self, faults: float, delay: float, seed: int) -> None:
        self.faults, self.delay = faults, delay
        self.dice = random.Random(seed)
        self.counts: Counter[str] = Counter()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if head.startswith("GET"):
                    models = {"data": [{"id": "m", "owned_by": "bench"}]}
                    send(writer, 200, dict(self.counts) if head.startswith("GET /counts") else models)
                else:
                    length = int(re.findall(r"(?i)content-length: *(\d+)", head)[0])
                    await self.answer(json.loads(await reader.readexactly(length)), writer)
                await writer.drain()
                if re.search(r"(?i)\r\nconnection: *close\r\n", head):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """An answer or a fault."""
        kind = self.dice.choice(FAULTS) if self.dice.random() < self.faults else "answered"
        self.counts[kind] += 1
        await asyncio.sleep(HANG_SECONDS if kind == "hang" else self.delay)
        whole = completion(body, "length" if kind == "length" else "stop")
        data = json.dumps(whole).encode()
        if kind in ("429", "500"):
            send(writer, int(kind), {"error": {"message": "busy"}}, "Retry-After: 0" if kind == "429" else "")
        elif kind in ("reset", "hang"):
            writer.transport.abort()
        elif kind == "reset_in_body":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data[: len(data) // 2])
            await writer.drain()
            writer.transport.abort()
        elif kind == "half_json":
            send(writer, 200, data[: len(data) // 2])
        else:
            send(writer, 200, data)


def completion(body: dict[str, Any], finish: str) -> dict[str, Any]:
    """What a model would answer: to each prompt a clean text of its own."""
    asked = body["messages"][-1]["content"]
    number = (re.findall(r"\d+", asked) or ["1"])[-1]
    text = f"Keep jar number {number} dry and cool, about {number} steps from the window."
    text = text[: len(text) // 2] if finish == "length" else text
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    return {"choices": [choice], "usage": {"prompt_tokens": 40, "completion_tokens": 16, "total_tokens": 56}}


def send(writer: asyncio.StreamWriter, status: int, body: Any, header: str = "") -> None:
    """A whole response."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = f"{header}\r\n" if header else ""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)


async def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--delay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    server = Server(given.faults, given.delay, given.seed)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
