"""A loopback server with a fixed latency and almost no cost of its own, for benchmarks: `python server.py MS`.

It answers chat completions as a model would that learns a code for each kind of word, and knows nothing of who asks:
it looks for the task's last word and for rules in the prompt, and where a prompt asks for better instructions it
writes one rule for every kind whose right answer it was shown. It prints its URL; GET /ledger has its counts.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

RULE = re.compile(r"words with (\w+) get ([A-Z]\d)")
SEEN = re.compile(r"'\w+-(\w+)'(?:(?!'\w+-\w+').)*?(?:gets|correct answer(?: is)?) '?([A-Z]\d)", re.DOTALL)
TRAJECTORY = re.compile(r'<trajectory task="([^"]+)".*?</trajectory>', re.DOTALL)
LEDGER = {"calls": 0, "prompt_tokens": 0, "at_work": 0.0}


def answer(text: str) -> str:
    """What the model says to a prompt."""
    rules = dict(RULE.findall(text))
    if "<union>" in text:  # all rules are kept, and no subset minds
        return json.dumps({"votes": []} if "<trajectories>" in text else {"edits": []})
    if "<trajectories>" in text:
        tasks = {kind: (task[1], code) for task in TRAJECTORY.finditer(text) for kind, code in SEEN.findall(task[0])}
        return json.dumps({"edits": [
            {"op": "add", "text": f"words with {kind} get {code}", "support": [task]}
            for kind, (task, code) in tasks.items() if kind not in rules]})  # fmt: skip
    if "<expected>" in text:
        expected = re.search(r"<expected>\s*([A-Z]\d)", text)[1]
        return f"The word '{_words(text)[-1]}' gets {expected}."
    if "new_instruction" in text or ("```" in text and "instruction" in text):
        written = "\n".join(f"words with {kind} get {code}" for kind, code in (rules | dict(SEEN.findall(text))).items())
        return _formed(text, "new_instruction", written) or f"```\n{written}\n```"
    code = rules.get(_words(text)[-1].partition("-")[2], "unknown") if _words(text) else "unknown"
    return _formed(text, "answer", code) or f"THOUGHT: a rule\nANSWER: {code}"


def _formed(text: str, field: str, value: str) -> str:
    """A value in the form that the prompt asks for: JSON, or named sections; "" where it asks for neither."""
    if "Respond with a JSON object" in text:
        return json.dumps({field: value})
    return f"[[ ## {field} ## ]]\n{value}\n\n[[ ## completed ## ]]" if f"[[ ## {field} ## ]]" in text else ""


def _words(text: str) -> list[str]:
    return re.findall(r"'(\w+-\w+)'", text)


async def serve(latency: float) -> None:
    """Answer until killed; requests are of HTTP/1.1 with a content length, connections are kept."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                said = json.dumps(LEDGER) if head.startswith("GET") else await completion(json.loads(body))
                data = said.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def completion(body: dict) -> str:
        await asyncio.sleep(latency)
        text = "\n".join(str(message["content"]) for message in body["messages"])
        said, prompt = answer(text), len(text) // 4
        LEDGER["calls"] += 1
        LEDGER["prompt_tokens"] += prompt
        LEDGER["at_work"] += latency
        return json.dumps({
            "id": "x", "object": "chat.completion", "created": 0, "model": body.get("model", ""),
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": len(said) // 4, "total_tokens": prompt + len(said) // 4},
        })  # fmt: skip

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**24, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
