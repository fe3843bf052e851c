"""The benchmark's server, clients and reckoning do what the figures rest on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import growth  # noqa: E402
import learners  # noqa: E402
import model  # noqa: E402
import page  # noqa: E402
import spans  # noqa: E402
import tasks  # noqa: E402
from projection import projection  # noqa: E402


@pytest.fixture(scope="module")
def url():
    with subprocess.Popen([sys.executable, str(HERE / "server.py"), "1"], stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.kill()


def reported(script, *arguments):
    done = subprocess.run([sys.executable, str(HERE / script), *arguments], capture_output=True, text=True)
    assert done.stdout, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("client", ["ours", "sdk"])
def test_clients_report_calls_for_each_number_of_workers(url, client):
    reports = reported("clients.py", client, url, "1", "2")
    assert [(report["workers"], report["calls"]) for report in reports] == [(1, 40), (2, 60)]
    assert all(report["cpu"] > 0 and 0 < report["seconds"] < 60 for report in reports)


@pytest.mark.parametrize("name", tasks.TARGETS)
def test_a_whole_run_reaches_the_target(url, name, tmp_path):
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(tasks.written(tasks.tasks(name, 3))))
    report = reported("learners.py", "fgo+", url, "8", str(file))
    assert report["score"] >= tasks.TARGETS[name] and report["reached"] == report["end"] and report["cpu"] > 0


def test_a_whole_run_imports_only_what_it_uses(url):
    """From the tasks to the score nothing that tables, figures and other models take."""
    unused = ("pandas", "sklearn", "matplotlib", "lxml", "anthropic", "IPython")
    code = (
        "import json, sys, learners; learners.fgo_plus(json.load(sys.stdin), sys.argv[1], 8); "
        f"print([name for name in {unused} if name in sys.modules])"
    )
    dealt = json.dumps(tasks.written(tasks.tasks("words", 3)))
    done = subprocess.run([sys.executable, "-c", code, url], input=dealt, capture_output=True, text=True, cwd=HERE)
    assert done.stdout.strip() == "[]", done.stderr[-2_000:]


def test_a_seed_deals_all_kinds_into_every_part():
    dealt = tasks.tasks("words", 1)
    assert dealt == tasks.tasks("words", 1) != tasks.tasks("words", 2)
    for part in (dealt.train[:20], dealt.train[20:], dealt.held_out):
        assert {answer for _, answer in part} == set(tasks.KINDS.values())
    assert not {question for question, _ in dealt.train} & {question for question, _ in dealt.held_out}


# -- the server reads alike what different clients write

DAY = "How does the office of lund write 2024-03-17?"
ASKED = "How does the office of lund write 2024-12-31?"
TOLD = "The answer is wrong. The correct answer is '17.03.2024'."
SHOWN = {
    "ours": f'<trajectories>\n<trajectory task="t1" score="0">\n{DAY}\n<expected>\n17.03.2024\n</expected>\n</trajectory>\n</trajectories>',
    "a block": f"```\nsay it\n```\n# Example 1\n## Inputs\n{DAY}\n\n## Feedback\n{TOLD}\n\nProvide the new instructions within ``` blocks.",
    "JSON": json.dumps([{"Inputs": {"question": DAY}, "Generated Outputs": {"answer": "unknown"}, "Feedback": TOLD}])
    + "\nRespond with a JSON object in the following order of fields: `new_instruction`.",
    "sections": f"[Example({{'question': '{DAY}', 'answer': '17.03.2024'}})]\n"
    "Respond with the corresponding output fields, starting with the field `[[ ## observations ## ]]`, and then",
}


@pytest.mark.parametrize("form", SHOWN)
def test_the_same_rule_is_learnt_from_every_form_of_prompt(form):
    learnt = model.DATES.answer([{"role": "user", "content": SHOWN[form]}])
    assert "days at lund are written %d.%m.%Y" in learnt
    answered = model.DATES.answer([{"role": "system", "content": learnt}, {"role": "user", "content": ASKED}])
    assert answered == "31.12.2024"


def test_examples_in_a_prompt_teach_without_a_rule():
    demo = {"role": "assistant", "content": "[[ ## answer ## ]]\n17.03.2024\n\n[[ ## completed ## ]]\n"}
    end = "\n\nRespond with the corresponding output fields, starting with the field `[[ ## answer ## ]]`, and then"
    said = model.DATES.answer([{"role": "user", "content": DAY}, demo, {"role": "user", "content": ASKED + end}])
    assert said == "[[ ## answer ## ]]\n31.12.2024\n\n[[ ## completed ## ]]"


@pytest.mark.parametrize("known", ["", "days at bern are written %d.%m.%Y"])
def test_without_its_rule_a_convention_is_unknown(known):
    assert model.DATES.answer([{"role": "system", "content": known}, {"role": "user", "content": ASKED}]) == "unknown"


def test_documents_are_learnt_from_the_prompts_of_others():
    shown = tasks.tasks("documents", 0).train
    told = [f"## Inputs\n{question}\n\n## Feedback\n{learners.feedback('', answer)}" for question, answer in shown[:24]]
    block = "\n\n".join(told) + "\nProvide the new instructions within ``` blocks."
    learnt = model.MODELS["documents"].answer([{"role": "user", "content": block}])
    quoted = json.dumps([{"question": q, "Feedback": learners.feedback("", a)} for q, a in shown[:24]], ensure_ascii=False)
    as_json = f"{quoted}\nRespond with a JSON object in the following order of fields: `new_instruction`."
    assert "[r0] " in learnt
    assert json.loads(model.MODELS["documents"].answer([{"role": "user", "content": as_json}]))["new_instruction"] in learnt

    def right(system):
        chats = [[{"role": "system", "content": system}, {"role": "user", "content": question}] for question, _ in shown[:24]]
        answers = [model.MODELS["documents"].answer(chat) for chat in chats]
        return sum(learners.same(given, answer) for given, (_, answer) in zip(answers, shown, strict=False))

    assert right(learnt) > right("Give the reference.") + 4


# -- what is reckoned from calls

WORKED = {
    "none": ([], np.nan, 0),
    "one": ([(0.0, 2.0)], 1.0, 1),
    "side by side": ([(0.0, 2.0), (0.0, 2.0), (1.0, 2.0)], 2.5, 1),
    "one after another": ([(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)], 1.0, 3),
    "a long one beside two short ones": ([(0.0, 5.0), (0.0, 1.0), (2.0, 4.0)], 8 / 5, 2),
    "the earliest to end is no dead end": ([(0.0, 3.0), (1.0, 2.0), (2.0, 6.0), (3.0, 4.0), (4.0, 5.0)], 10 / 6, 3),
}


@pytest.mark.parametrize("name", WORKED)
def test_concurrency_and_critical_path_by_hand(name):
    calls, at_once, path = WORKED[name]
    served = [(*call, 10, 1) for call in calls]
    assert spans.concurrency(served) == pytest.approx(at_once, nan_ok=True)
    assert spans.critical_path(served) == spans.critical_path(served[::-1]) == path
    assert spans.measured(served)["prompt_tokens"] == 10 * len(calls)


def test_no_chain_is_longer_than_the_critical_path():
    rng = np.random.default_rng(0)
    for _ in range(50):
        start = rng.integers(0, 12, 8)
        served = [(int(a), int(a + b), 0, 0) for a, b in zip(start, rng.integers(1, 5, 8), strict=True)]
        subsets = ([call for at, call in enumerate(served) if mask >> at & 1] for mask in range(256))
        chains = [len(each) for each in subsets if all(a[1] <= b[0] for a, b in zip(sorted(each), sorted(each)[1:], strict=False))]
        assert spans.critical_path(served) == max(chains)


# -- growth and what follows from it


def grown(exponent, noise, seed=0, sizes=(100, 1_000, 10_000, 100_000)):
    rng = np.random.default_rng(seed)
    return pd.DataFrame([{"what": "tasks of a run", "size": size, "repeat": repeat, **{
        name: size**exponent * np.exp(noise * rng.standard_normal()) for name in growth.QUANTITIES}}
        for size in sizes for repeat in range(3)])  # fmt: skip


def test_an_exact_power_is_found_exactly():
    found = growth.exponents(grown(1.3, 0.0))
    assert list(found["quantity"]) == list(growth.QUANTITIES)
    assert np.allclose(found[["exponent", "lo", "hi"]], 1.3)


def test_the_interval_holds_the_exponent_as_often_as_it_says():
    found = [growth.exponents(grown(1.05, 0.3, seed)).iloc[0] for seed in range(200)]
    assert 0.9 < np.mean([row.lo <= 1.05 <= row.hi for row in found]) < 0.99


def test_two_sizes_have_no_exponent():
    assert growth.exponents(grown(1.0, 0.0, sizes=(10, 100))).empty


def test_a_small_run_is_measured():
    ballast = np.ones(50_000_000)  # 400 MB that are none of the child's
    report, again = reported("growth.py", "tasks of a run", "180", "2")
    assert report["calls"] == again["calls"] and again["repeat"] == 1 and "memory_mb" not in again
    assert report["calls"] > 100 and report["tokens"] > report["calls"] and report["log_mb"] > 0 and report["score"] == 1.0
    assert report["wall"] > 0 and 0 < report["memory_mb"] < report["peak_mb"] < ballast.nbytes / 1e6


LEARNT = pd.DataFrame([
    {"task": name, "client": client, "seed": seed, "wall": wall, "cpu": 1.0, "score": score, "to_target": to_target, "calls": 100,
     "prompt_tokens": 50_000, "completion_tokens": 3_000, "concurrency": 4.0, "critical_path": 25}
    for name in tasks.TARGETS for seed in (0, 1)
    for client, wall, score, to_target in (
        (page.LEARNERS["fgo+"], 2.0, 1.0, 2.0), (page.LEARNERS["fgo"], 2.0, 1.0, 2.0), ("GEPA", 8.0, 1.0, 4.0 if seed else np.nan),
        ("dspy.GEPA", 8.0, 1.0, 4.0), ("MIPROv2", 9.0, 0.2, np.nan))])  # fmt: skip


def test_the_page_compares_within_seeds_and_says_who_does_not_reach_the_score():
    line = page.learning_in_words(LEARNT)[0]
    assert "0.50 of the time of dspy.GEPA;" in line and "MIPROv2 does not reach it" in line
    assert "0.50 of the time of GEPA, which reaches it with 1 of 2 seeds" in line


def test_a_projection_says_what_breaks_first():
    scale = grown(1.0, 0.0, sizes=(1_000, 10_000, 100_000)).assign(memory_mb=lambda table: table["size"] / 100)
    table = projection(scale, LEARNT).set_index("what")
    assert table.loc["calls", "projected"] == pytest.approx(1e6) and table.loc["memory_gb", "projected"] == pytest.approx(10)
    assert table.loc["memory_gb", "at_most"] == pytest.approx(1_600_000)
    assert table.loc["tokens", "projected"] == pytest.approx(530e6)
    known = table["at_most"].dropna()
    assert list(known) == sorted(known) and known.index[0] == "driver_hours" and known.iloc[0] == pytest.approx(86_400)


def test_the_page_is_written_from_whatever_was_measured(tmp_path):
    tables = {"learning": LEARNT, "growth": grown(1.0, 0.0), "scale": grown(1.0, 0.0)}
    page.write(tables, tmp_path)
    text = (tmp_path / "bench.md").read_text()
    assert text.index("0.50 of the time") < text.index("## learning") and "growth with an exponent above 1.1" in text
    assert {file.name for file in tmp_path.iterdir()} == {
        "bench.md", "bench_learning.png", "bench_growth_exponents.csv", "bench_scale_exponents.csv", "bench_projection.csv"}  # fmt: skip


def test_games_are_compared_with_those_of_the_stock_engine_where_there_is_one():
    table = pd.DataFrame({"engine": ["stock", "ours"], "games_per_hour": [100.0, 250.0]})
    assert page.games_in_words(table) == ["- ALFWorld games an hour, ours: 2.5 times those of stock"]
    assert page.games_in_words(table[:0]) == []
