"""From a log of one's own to a better prompt: README's block, with a model of one's own."""

import json
import re

from blocks import block
from helpers import job_of

import fgo_kit as fgo


def model(messages):
    """A model that comments, proposes, merges and votes; nothing else may be asked of it."""
    job = job_of(messages)
    assert job in ("evaluate", "propose", "merge", "review"), job
    if job == "propose":
        shown = re.findall(r'<trajectory task="(.*?)"', messages[1]["content"])
        return json.dumps({"edits": [{"op": "add", "component": "instructions", "text": "Carry the one.", "support": shown}]})
    return '{"edits": [], "votes": []}' if job in ("merge", "review") else "It forgot to carry the one."


def test_own_traces(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    chats = [{"id": f"q{n}", "expected": str(19 + n), "score": 0, "messages": [
        {"role": "system", "content": "Add up."}, {"role": "user", "content": f"{n} + 19?"}, {"role": "assistant", "content": "1"},
    ]} for n in range(12)]  # fmt: skip
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, chats)))
    code = block("own traces")
    assert len(code.splitlines()) <= 10
    names = {"fgo": fgo, "llm": fgo.wrap_llm(model, name="mine", context_window=32_000)}
    exec(code, names)
    assert capsys.readouterr().out.strip() == "Add up.\n- Carry the one."
    assert "- Carry the one." in (tmp_path / "my-skill" / "SKILL.md").read_text()
    loaded = fgo.load_run(tmp_path / "results" / "mine")
    assert loaded.module == names["run"].module and len(loaded.module.rules[0].support) == 12
