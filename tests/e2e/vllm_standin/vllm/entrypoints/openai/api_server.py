"""Stands in for vLLM's server where a test is about processes: the same flags, routes and key, no model.

It starts a process of its own, as vLLM does, whose id it tells. A prompt ``die`` kills it while it answers; so does any
prompt while the file that ``--deadly`` names exists. ``--say`` is its last word before it fails to start.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PARSER = argparse.ArgumentParser()
for flag in ("model", "served-model-name", "host", "tensor-parallel-size", "uvicorn-log-level", "say", "deadly"):
    PARSER.add_argument(f"--{flag}")
PARSER.add_argument("--max-model-len")
PARSER.add_argument("--port", type=int)
PARSER.add_argument("--load-seconds", type=float, default=0.0)
for flag in ("enable-prefix-caching", "no-enable-chunked-prefill", "trust-remote-code", "ignore-sigterm"):
    PARSER.add_argument(f"--{flag}", action="store_true")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {os.environ['VLLM_API_KEY']}"

    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply(200, {})
        elif not self.is_known():
            self.reply(401, {"error": "Unauthorized"})
        else:
            self.reply(200, {"data": [{"id": GIVEN.served_model_name, "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.is_known():
            self.reply(401, {"error": "Unauthorized"})
            return
        prompt = body["messages"][-1]["content"]
        if prompt == "die" or (GIVEN.deadly and Path(GIVEN.deadly).exists()):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
        text = json.dumps({"port": GIVEN.port, "pid": os.getpid(), "child": CHILD.pid, "env": dict(os.environ)})
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        self.reply(200, {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})


if __name__ == "__main__":
    GIVEN = PARSER.parse_args()
    if GIVEN.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    CHILD = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    if GIVEN.say:
        print(GIVEN.say, flush=True)
        sys.exit(1)
    time.sleep(GIVEN.load_seconds)
    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer((GIVEN.host, GIVEN.port), Handler).serve_forever()
