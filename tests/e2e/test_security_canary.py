"""Keys and texts of rows stand where they belong and nowhere else: canaries in every place, then every output read."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from phrasemill.engine.cli.app import main
from phrasemill.generators.backend import _started, open_backend
from phrasemill.generators.vllm_launch import Launch
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import ConfigError

KEY = "kanarie-5fK2/Zq9+schluessel"
TEXT = "rowcanarytext"
PACK = """\
id: mini
rules:
  - {id: mini.certainly, category: opener, at: start, frame: match, pattern: "certainly[!,]"}
  - {id: mini.leak, category: identity_leak, pattern: '\\bi am zorbot\\b'}
"""
TRAIT = """\
id: dry
statement: I am dry.
pos_instruction: Be dry.
rubric: "100: dry. 0: gushing."
probe_prompts: ["How do I store bread?", "How do I store a coat?"]
"""


class Echo:
    """A server that repeats the key that it got in every part of its answers. ``status`` 200 answers, others fail."""

    def __init__(self) -> None:
        self.status = 200
        self.keys: set[str] = set()
        echo = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(
                    200, {"data": [{"id": "m", "owned_by": "vllm"}, {"id": self.key(), "owned_by": self.key()}]}
                )

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key, said = self.key(), body["messages"][-1]["content"]
                if echo.status != 200:
                    self.answer(echo.status, {"error": {"message": f"{key} {said}", "code": key, "type": key}})
                    return
                asked = json.dumps(body.get("response_format", {})) + json.dumps(body.get("structured_outputs", {}))
                text = '{"score": 7, "better": "A"}' if len(asked) > 4 else f"Keep it dry. Your key is {key}."
                choice = {"index": 0, "finish_reason": key, "message": {"content": text, "refusal": key}}
                usage = {"prompt_tokens": 5, "completion_tokens": 6, "tier": key}
                self.answer(
                    200, {"id": key, "model": key, "system_fingerprint": key, "choices": [choice], "usage": usage}
                )

            def key(self) -> str:
                found = self.headers.get("Authorization", "").removeprefix("Bearer ")
                echo.keys.add(found)
                return found

            def answer(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status, f"echo {self.key()}")
                for name in ("X-Request-Id", "X-Key", "Set-Cookie"):
                    self.send_header(name, self.key())
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up is expected
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def echo() -> Iterator[Echo]:
    """The server."""
    server = Echo()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows that need a model, one that is broken, a pack, a trait, and the key in a file and in the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CANARY_KEY", KEY)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(f"  {KEY}\n")
    (tmp_path / "mini.yaml").write_text(PACK)
    (tmp_path / "traits").mkdir()
    (tmp_path / "traits" / "dry.yaml").write_text(TRAIT)
    rows = [
        {
            "id": f"r{number}",
            "messages": [
                {"role": "user", "content": f"{TEXT} how do I store bread, case {number}?"},
                {"role": "assistant", "content": f"I am zorbot. {TEXT} put it in a box, {number}."},
            ],
        }
        for number in range(24)
    ]
    broken = '{"id": "broken", "messages": [{"role": "user", "content": "' + TEXT + '"\n'
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + broken)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sections(url: str, **key: str) -> dict[str, Any]:
    backend = {"use": "openai", "url": url, "model": "m", "concurrency": 32, "max_tokens": 64, "wait_seconds": 0.0}
    return {
        "packs": ["mini.yaml"],
        "traits": {"use": ["dry"], "dir": "traits"},
        "policy": {"gate": {"max_dropped": 1.0, "max_quarantined": 1.0}},
        "backend": {**backend, **key},
    }


def write_configs(root: Path, url: str, **key: str) -> None:
    """A configuration for ``run``, one for ``generate``, and one with a backend alone."""
    whole = sections(url, **key)
    (root / "run.yaml").write_text(
        yaml.safe_dump({**whole, "input": {"path": "in.jsonl"}, "pairs": {"quality": "none"}})
    )
    (root / "generate.yaml").write_text(yaml.safe_dump({**whole, "recipe": "respond", "prompts": {"path": "in.jsonl"}}))
    (root / "backend.yaml").write_text(yaml.safe_dump({"backend": whole["backend"]}))


COMMANDS: dict[str, list[str]] = {
    "validate": ["validate", "run.yaml"],
    "plan": ["plan", "run.yaml"],
    "run": ["run", "run.yaml", "-o", "OUT", "--workers", "1"],
    "generate": ["generate", "generate.yaml", "-o", "OUT"],
    "judge": ["judge", "run", "in.jsonl", "--backend", "backend.yaml", "--traits", "traits", "--across", "-o", "OUT"],
    "probe": ["probe", "--backend", "backend.yaml", "--traits", "traits", "-o", "OUT"],
}
"""What each command is called with; OUT stands for its folder."""

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command of the table: its exit code, and stdout and stderr."""

    def run(name: str, out: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["phrasemill", *(out if word == "OUT" else word for word in COMMANDS[name])])
        code = main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err, captured.err
        assert TEXT not in captured.err
        return code, captured.out + captured.err

    return run


def written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below a folder with all that it holds, Parquet decoded with its metadata."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes().decode("latin-1")
            if path.suffix == ".parquet":
                yield path, f"{pq.read_table(path).to_pylist()!r} {pq.read_metadata(path).metadata!r}"


def holds_key(text: str) -> bool:
    return any(form in text for form in (KEY, KEY.replace("/", "\\/"), json.dumps(KEY)[1:-1], KEY.partition("/")[0]))


def assert_no_key(root: Path, said: str) -> None:
    assert not holds_key(said), said
    for path, text in written(root):
        if path.parent.name != "secrets":
            assert not holds_key(text), path


@pytest.mark.parametrize("key", [{"api_key_env": "CANARY_KEY"}, {"api_key_file": "secrets/key"}], ids=["env", "file"])
def test_a_key_is_sent_and_stands_in_no_output_though_the_server_repeats_it_everywhere(
    echo: Echo, project: Path, call: Call, key: dict[str, str]
) -> None:
    write_configs(project, echo.url, **key)
    for name in COMMANDS:
        code, said = call(name, f"out-{name}")
        assert code == 0, said
        assert_no_key(project, said)
    assert echo.keys == {KEY}
    assert any("[key]" in text for _, text in written(project / "out-run")), "the echo went through"
    assert any(TEXT in text for _, text in written(project / "out-run" / "quarantine"))


@pytest.mark.parametrize(("status", "expected"), [(401, 2), (404, 2), (400, 2), (500, 4), (0, 4)])
def test_a_key_stands_in_no_output_when_the_server_fails(
    echo: Echo, project: Path, call: Call, status: int, expected: int
) -> None:
    echo.status = status
    url = echo.url
    if status == 0:
        echo.http.server_close()
        url = f"http://127.0.0.1:{free_port()}/v1"
    write_configs(project, url, api_key_env="CANARY_KEY")
    for name in ("run", "judge"):
        code, said = call(name, f"out-{name}")
        assert code == expected, said
        assert_no_key(project, said)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": f"https://me:{KEY}@models.example/v1"},
        {"url": f"https://{KEY}@models.example/v1"},
        {"url": f"https://models.example/v1?api_key={KEY}"},
        {"url": f"https://models.example/v1?v={KEY}"},
        {"url": [f"https://models.example/{KEY}"]},
        {"url": f"ftp://:{KEY}@h"},
        {"api_key_env": KEY},
        {"api_key_env": "kanarie_5fK2"},
        {"api_key_env": [KEY]},
        {"api_key": KEY},
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"api_key_file": [KEY]},
        {"api_key_file": "secrets/none"},
        {"api_key_file": "secrets"},
        {"api_key_file": "secrets/two"},
        {"api_key_env": "CANARY_KEY", "api_key_file": "secrets/key"},
        {"api_key_env": "CANARY_KEY_THAT_IS_NOT_SET"},
    ],
    ids=str,
)
def test_a_key_in_the_wrong_place_is_refused_without_being_repeated(
    project: Path, call: Call, wrong: dict[str, Any]
) -> None:
    (project / "secrets" / "two").write_text(f"{KEY}\n{KEY}\n")
    write_configs(project, "http://127.0.0.1:9/v1")
    for name in ("run", "generate", "backend"):
        path = project / f"{name}.yaml"
        body = yaml.safe_load(path.read_text())
        body["backend"] |= wrong
        path.write_text(yaml.safe_dump(body))
    for name in ("run", "generate", "judge", "probe"):
        code, said = call(name, f"out-{name}")
        assert code == 2, said
        assert "backend" in said
        assert not holds_key(said), said
        for path, text in written(project):
            if path.parent.name != "secrets" and path.suffix != ".yaml":
                assert not holds_key(text), path


@pytest.mark.parametrize("path", [f"s3://id:{KEY}@bucket/a.parquet", f"https://h/a.parquet?X-Amz-Signature={KEY}"])
def test_an_input_with_a_key_in_its_address_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    (project / "run.yaml").write_text(yaml.safe_dump({"input": {"path": path}, "packs": ["mini.yaml"]}))
    for arguments in (
        ["run", "run.yaml"],
        ["scan", path, "--pack", "mini.yaml"],
        ["clean", path, "--pack", "mini.yaml"],
    ):
        monkeypatch.setattr(sys, "argv", ["phrasemill", *arguments, "-o", "out"])
        assert main() == 2
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert not holds_key(captured.out + captured.err)
    assert not (project / "out").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_key_of_a_started_server_is_on_no_command_line_and_in_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "vllm_standin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "config.json").write_text("{}")
    config = BackendConfig(use="vllm", model=str(model), start_seconds=60)

    async def go() -> tuple[str, int, str]:
        async with open_backend(config, logs=tmp_path / "logs") as client:
            (servers, _), *_ = _started.values()
            asked = {"max_tokens": 5, "temperature": 0.0, "top_p": 1.0, "seed": 1}
            told = json.loads((await client.chat([{"role": "user", "content": "hello"}], **asked)).text)  # type: ignore[arg-type]
            ours = [process for process in Path("/proc").glob("[0-9]*") if _belongs(process, told["pid"])]
            return servers.launch.key, len(ours), " ".join(_command_line(process) for process in ours)

    key, processes, lines = asyncio.run(go())
    assert processes
    assert "api_server" in lines
    assert "--trust-remote-code" not in lines
    assert len(key) > 20
    assert key not in lines
    assert all(key not in text for _, text in written(tmp_path))


def _belongs(process: Path, server: int) -> bool:
    return int(process.name) in (server, _parent(server))


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _command_line(process: Path) -> str:
    return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()


@pytest.mark.parametrize(
    "flag",
    [
        *(
            "--trust-remote-code",
            "--trust_remote_code",
            "--trust",
            "--trust-remote-code=true",
            "--api-key=x",
            "--api-k",
        ),
        *(
            "--config=a.yaml",
            "--conf",
            "--middleware",
            "--middlew=os.system",
            "--worker-cls",
            "--logits-processors=a:b",
        ),
        *(
            "--hf-token=x",
            "--tool-parser-plugin",
            "--kv-transfer-config.kv_connector_module_path=evil",
            "--hf_overrides",
        ),
        *("--reasoning-parser-plugin=a.py", "--served-model", "--host=0.0.0.0", "--enable-log-requests"),
    ],
)
def test_a_flag_that_loads_code_or_is_ours_is_refused_in_full_and_cut_short(tmp_path: Path, flag: str) -> None:
    config = BackendConfig(use="vllm", model=str(tmp_path), args=(flag,))
    with pytest.raises(ConfigError, match=r"backend\.args"):
        Launch.checked(config)
