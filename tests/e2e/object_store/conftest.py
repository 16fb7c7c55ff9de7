"""A local S3 server, a proxy before it that fails and waits on command, and a project that publishes there."""

from __future__ import annotations

import http.client
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from phrasemill.engine.object_store_manifest import StoreManifest, folder_name, read_newest
from phrasemill.engine.object_store_run import output_place
from phrasemill.engine.object_store_url import open_store
from phrasemill.engine.run import RunReport

SECRET = "canary-secret-4f1b"
KEY_ID = "CANARYKEYID77"
ANSWERS = ("Certainly! It is on the shelf.", "I am Zorbot and I would put it on the shelf.", "On the shelf.")

Rule = Callable[["Asked", Callable[..., None]], bool]


class Asked:
    """One request as it came."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method, self.path = handler.command, handler.path
        self.headers = dict(handler.headers.items())
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))

    def writes(self, part: str) -> bool:
        return self.method == "PUT" and part in self.path


class Proxy:
    """Stands before the server and hands every request on, unless ``rule`` answers it: then it returns true."""

    def __init__(self, port: int) -> None:
        self.rule: Rule = lambda _asked, _answer: False
        self.log: list[tuple[str, str]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                asked = Asked(self)
                proxy.log.append((asked.method, asked.path))
                if not proxy.rule(asked, self.answer):
                    self.answer(*proxy.forward(asked))

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

            def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
                """Send an answer; status 0 resets the connection instead."""
                if status == 0:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in (headers or {}).items():
                    if name.lower() not in {"content-length", "connection", "transfer-encoding", "date", "server"}:
                        self.send_header(name, value)
                length = (headers or {}).get("content-length", str(len(body))) if self.command == "HEAD" else len(body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.port = port
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up is expected
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def forward(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(asked.method, asked.path, asked.body, asked.headers)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def written(self, part: str) -> list[str]:
        return [path for method, path in self.log if method == "PUT" and part in path]


@pytest.fixture(scope="module")
def s3() -> Iterator[int]:
    """The port of a server with one bucket."""
    pytest.importorskip("obstore")
    server_module = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", "/bucket")
    assert connection.getresponse().status == 200
    connection.close()
    yield port
    server.stop()


@pytest.fixture
def proxy(s3: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.http.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield proxy
    proxy.http.shutdown()
    proxy.http.server_close()


class Bench:
    """A project whose runs go to an address of their own."""

    secret, key_id = SECRET, KEY_ID

    def __init__(self, project: Any, chat: Any, proxy: Proxy) -> None:
        self.project, self.chat, self.proxy = project, chat, proxy
        self.url = f"s3://bucket/{project.root.name}"

    def write(self, *names: str, count: int = 3) -> None:
        for name in names:
            rows = [self.chat(f"{name}{at}", f"Where is {name}{at}?", ANSWERS[at % 3]) for at in range(count)]
            self.project.write(f"{name}.parquet", rows)

    def run(self, work: str = "work", mode: str = "clean", **how: Any) -> RunReport:
        folder = self.project.root / work
        with output_place(self.url, folder) as (place, on_commit):
            assert place == folder
            report: RunReport = self.project.run(mode, out=place, on_commit=on_commit, **how)
            return report

    @property
    def store(self) -> Any:
        return open_store(self.url)

    def newest(self) -> StoreManifest:
        newest = read_newest(self.store)
        assert newest is not None
        return newest

    def tables(self) -> dict[str, str]:
        """Content hashes by the name in a folder, of the objects as they are in the store."""
        manifest = self.newest()
        hashes = {}
        for file in (file for shard in manifest.shards for file in shard.files):
            digest = self.store.digest(file.path)
            hashes[folder_name(file)] = digest[1] if digest else "missing"
        return hashes

    def local(self, name: str = "out") -> dict[str, str]:
        """The same of the files in a folder of the project."""
        out = self.project.root / name
        found = (path for path in out.rglob("*.parquet") if not path.relative_to(out).parts[0].startswith("_"))
        return {path.relative_to(out).as_posix(): blake3(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture
def bench(project: Any, chat: Any, proxy: Proxy) -> Bench:
    return Bench(project, chat, proxy)
