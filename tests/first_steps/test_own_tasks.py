"""README's blocks from a table to a prompt, run as scripts: each is short, and ends with a better prompt."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import my_model
import pytest
from blocks import block

HERE = Path(__file__).parent


class Serving(BaseHTTPRequestHandler):
    """`my_model` behind OpenAI's chat completions."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": my_model.chat(asked["messages"])}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": asked["model"], "usage": usage,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}  # fmt: skip
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    served = ThreadingHTTPServer(("127.0.0.1", 0), Serving)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}/v1"
    served.shutdown()
    served.server_close()


@pytest.mark.parametrize("name", ["own tasks", "own model", "own agent"])
def test_a_block_of_ten_lines_ends_with_a_learnt_prompt(name, server, tmp_path):
    code = block(name)
    assert len([line for line in code.splitlines() if line.strip()]) < 10
    (tmp_path / "first.py").write_text(code)
    for file in ("questions.csv", "my_model.py"):
        shutil.copy(HERE / file, tmp_path)
    environment = {**os.environ, "OPENAI_BASE_URL": server}
    done = subprocess.run(
        [sys.executable, "first.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "Multiply the two numbers." in done.stdout
    assert "test score 100.0 %" in done.stdout or done.stdout.startswith("1.0 ")
    assert [path.name for path in tmp_path.glob("*.sqlite")] == ["mine.sqlite"]
