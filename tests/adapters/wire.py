"""A loopback server that gives scripted bodies, and good answers in the form of all protocols."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

OPENAI = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens_details": {"reasoning_tokens": 8},
    },
}  # fmt: skip
ANTHROPIC = {
    "id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hi"}],
    "usage": {
        "input_tokens": 50, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10,
        "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 8},
    },
}  # fmt: skip


RESPONSES = {
    "id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": None,
    "output": [{"type": "message", "id": "x", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}],
    "usage": {
        "input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "output_tokens_details": {"reasoning_tokens": 8},
    },
}  # fmt: skip


class Server:
    """Gives the answers put into `script` in turn: (status, body, headers); then what `refuse(body)` gives, or good
    ones."""

    def __init__(self):
        self.script, self.seen, self.delay, self.refuse = [], [], 0.0, lambda body: None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.seen.append((self.path, body, dict(self.headers)))
                sleep(server.delay)
                good = OPENAI if "chat" in self.path else RESPONSES if "responses" in self.path else ANTHROPIC
                answer = server.script.pop(0) if server.script else server.refuse(body)
                status, body, headers = answer or (200, good, {})
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in ({"content-type": "application/json"} | headers).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # a client that hung up
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
