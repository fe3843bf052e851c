"""A loopback server with a fixed latency and little cost of its own, for benchmarks: `python server.py MS`.

It answers chat completions as the models of model.py do (the request's `model` names one), and knows nothing of who
asks. It prints its URL. GET /calls gives what it served since that was last asked: start, end (seconds since 1970),
prompt and completion tokens of each call.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

import model

SERVED: list[tuple[float, float, int, int]] = []


async def serve(latency: float) -> None:
    """Answer until killed; requests are of HTTP/1.1 with a content length, connections are kept."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                data = (served() if head.startswith("GET") else await completion(json.loads(body))).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def completion(body: dict) -> str:
        start = time.time()
        await asyncio.sleep(latency)
        said = model.MODELS[body["model"]].answer(body["messages"])
        prompt, written = sum(len(message["content"]) for message in body["messages"]) // 4, len(said) // 4
        SERVED.append((start, time.time(), prompt, written))
        return json.dumps({
            "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
        })  # fmt: skip

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**24, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        await server.serve_forever()


def served() -> str:
    told = json.dumps(SERVED)
    SERVED.clear()
    return told


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
