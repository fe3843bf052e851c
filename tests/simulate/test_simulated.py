"""The simulated LLM: its rule language, its jobs, its speed, and what keeps it honest."""

import ast
import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers import Wrapped, job_of, module, small_bench
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

import fgo_kit.simulate
from fgo_kit.adapters.optional import without_system
from fgo_kit.algorithm import prompts
from fgo_kit.benchmarks.logisticsqa import benchmark as logisticsqa
from fgo_kit.calls.protocol import BadRequest, ContextOverflow
from fgo_kit.records import Feedback, Rule, Step, Task, Trajectory
from fgo_kit.runs.run import run
from fgo_kit.simulate.logisticsqa.language import Convention, parse_rule, render
from fgo_kit.simulate.logisticsqa.reading import picks_of, read
from fgo_kit.simulate.model import load
from fgo_kit.stats import paired_difference

# -- the rule language


@cache
def language():
    """(words, picks, shapes) as they are read from generated documents of all worlds."""
    words, picks, shapes = {}, {}, {}
    for world in logisticsqa.WORLDS:
        for task in logisticsqa.load(world=world).train[:100]:
            reading = read(task.text)
            words.update(dict.fromkeys(reading.words))
            picks.update(dict.fromkeys(pick for code in reading.codes for pick in picks_of(code)))
            shapes.update(dict.fromkeys(code.shape for code in reading.codes))
    return list(words), [tuple(sorted(pick)) for pick in picks], list(shapes)


@st.composite
def rules(draw):
    words, picks, shapes = language()
    when = tuple(sorted(draw(st.lists(st.sampled_from(words), max_size=2, unique=True))))
    kind = draw(st.sampled_from(["pick", "pick", "none", "several"]))
    if kind == "pick":
        return Convention(when, draw(st.sampled_from(picks)))
    return Convention(when, None, draw(st.sampled_from(shapes)) if kind == "several" else "")


@checks(max_examples=400)
@given(rules())
def test_a_rule_survives_being_written_down(rule):
    assert parse_rule(render(rule)) == rule


def test_every_single_pick_of_the_documents_survives():
    _, picks, shapes = language()
    assert len(picks) > 1_000
    lost = [rule for rule in [Convention((), pick) for pick in picks] if parse_rule(render(rule)) != rule]
    assert lost == []
    assert all(parse_rule(render(Convention((), None, shape))) == Convention((), None, shape) for shape in shapes)


@pytest.mark.parametrize(
    "line", ["Note: İŞ EMRİ NO: AB123456", "Note: STRASSE Nº ß-Ref AB123456", "Note: Ünlü Çıkış no AB123456"]
)
def test_labels_of_any_language_survive(line):
    [code] = read(line).codes
    for pick in picks_of(code):
        rule = Convention((), tuple(sorted(pick)))
        assert parse_rule(render(rule)) == rule
        assert rule.answer(read(line)) == "AB123456"
    for word in read(line).words:
        assert parse_rule(render(Convention((word,)))) == Convention((word,))


DOCUMENT = """\
Document: Invoice
ID: INV-2024-0099
IssueDate: 2024-03-01
SupplierParty: Northern Freight Ltd, Leeds, GB
Note: Booking ref QQ778899 HBL no ABCD1234567 container MSKU4455667 / storage extra
OrderReference/ID: PO-555123
PayableAmount: 120.00 GBP"""


def ask(document, *typed, llm="null", cite=False, sample=0):
    shown = module(
        *[Rule(f"r{i}", text) for i, text in enumerate(typed, 1)], preamble="Find the reference."
    )
    messages = [prompts.act(shown, cite), {"role": "user", "content": f"<document>\n{document}\n</document>"}]
    return prompts.parse_action(load(llm).complete(messages, sample=sample).text)


@pytest.mark.parametrize("rule, answer", [
    ("the reference follows the label 'HBL no'", "ABCD1234567"),
    ('Take the code after "booking ref".', "QQ778899"),
    ("The reference is the code labelled as “container”", "MSKU4455667"),
    ("Use the code in the field OrderReference/ID", "PO-555123"),
    ("The reference has the shape AAAA9999999.", "ABCD1234567"),
    ('If the document mentions "freight", answer None.', "None"),
    ('If several codes have the shape "AAAA9999999", answer None.', "None"),
    ("Always answer None.", "None"),
    ('If the document mentions "storage", the reference follows the label "container".', "MSKU4455667"),
])  # fmt: skip
def test_rules_that_people_type_are_obeyed(rule, answer):
    for sample in range(5):  # whatever a reader without rules would guess
        assert ask(DOCUMENT, rule, sample=sample, cite=True) == (answer, ("r1",))


def test_a_rule_that_does_not_apply_changes_nothing():
    other = 'If the document mentions "zebra", answer None.'
    label = 'The reference follows the label "HBL no".'
    assert ask(DOCUMENT, other, label, cite=True) == ("ABCD1234567", ("r2",))


def test_the_more_specific_rule_wins_wherever_it_stands():
    wide, narrow = (
        "Answer None.",
        'If the document mentions "storage", the reference follows the label "HBL no".',
    )
    assert ask(DOCUMENT, wide, narrow)[0] == ask(DOCUMENT, narrow, wide)[0] == "ABCD1234567"


def test_without_rules_it_reads_naively_and_is_not_always_of_one_mind():
    answers = [ask(DOCUMENT, sample=sample)[0] for sample in range(40)]
    assert len(set(answers)) > 1 and set(answers) <= {
        "QQ778899",
        "ABCD1234567",
        "MSKU4455667",
        "PO-555123",
        "None",
    }


# -- its jobs


def trajectory(number, text, answer, given="None"):
    task = Task(f"t{number}", text, answer)
    steps = (Step(f"<document>\n{prompts.quote(text)}\n</document>", f"THOUGHT: x\nANSWER: {given}"),)
    score = float(given == answer)
    return task, Trajectory(task.id, steps, given, score), Feedback(task.id, score, "Wrong.")


def test_it_induces_the_label_that_marks_the_reference():
    judged = [
        trajectory(n, f"Note: order 77{n}881 Frachtbrief Nr XY{n}{n}5566 Kunde 99{n}1234", f"XY{n}{n}5566")
        for n in range(1, 7)
    ]
    text = load("null").complete(prompts.propose(module(), judged)).text
    added = [edit for edit in json.loads(text)["edits"] if edit["op"] == "add"]
    learnt = [parse_rule(edit["text"]) for edit in added]
    fresh = read("Note: order 779881 Frachtbrief Nr XY995566 Kunde 9991234")
    assert learnt[0].answer(fresh) == "XY995566"
    assert set(added[0]["support"]) <= {task.id for task, _, _ in judged} and len(added[0]["support"]) >= 4


def test_it_evaluates_with_the_expected_answer_in_its_prompt():
    task, shown, _ = trajectory(1, DOCUMENT, "ABCD1234567", given="QQ778899")
    text = load("null").complete(prompts.evaluate(task, shown)).text
    assert "the transport reference is ABCD1234567" in text and '"hbl no"' in text


def test_it_merges_duplicates_and_keeps_what_it_cannot_read():
    one = module(
        Rule("a", 'The reference follows the label "HBL no".', ("t1",)),
        Rule("b", "Be polite.", ("t1",)),
    )
    two = module(Rule("c", "take the code after 'hbl no'", ("t2",)))
    text = load("null").complete(prompts.merge([("s1", one), ("s2", two)])).text
    written = {tuple(sorted(rule["from"])): rule["text"] for rule in json.loads(text)["rules"]}
    assert set(written) == {("a", "c"), ("b",)}
    assert written["b",] == "Be polite."


@pytest.mark.parametrize("messages, says", [
    ([{"role": "user", "content": "Hello, who are you?"}], "finds no section it can read; .* with <document>"),
    ([{"role": "system", "content": "x"}], "finds no section it can read"),
    ([{"role": "user", "content": "<document>\nnever closed"}], "no whole <document> ... </document> section"),
    ([{"role": "user", "content": "<modules>\nnever closed"}], "no whole <modules> ... </modules> section"),
    ([{"role": "user", "content": "<trajectories>\n<document>\nx\n</document>\n</trajectories>"}], "no whole <module> ... </module> section"),
    ([{"role": "user", "content": "<document>a</document><expected>b</expected>"}], "no whole <action>"),
    ([{"role": "user", "content": '<trajectory task="t" score="high">\n<scene>\na\n</scene>\n</trajectory>\n<expected>b</expected>'}],
     "score='high'; .* numbers from 0 to 1"),
])  # fmt: skip
def test_a_prompt_it_cannot_read_is_refused_with_the_reason(messages, says):
    with pytest.raises(BadRequest, match=says):
        load("small").complete(messages)


def prompts_of_every_kind():
    """Conversations about a document, a game and a question with files: each acted on, reviewed, learnt from, merged."""
    bodies = {
        "document": "Note: B/L MSKU1234567 of 2024, invoice 99 PO-77881",
        "scene": "You are in a room. you see a fridge 1, and a cabinet 1.\nYour task is to: put a hot mug in fridge.",
        "question": "Which town sold most in 2024?\n\nAttached files: sales.csv, notes.md",
    }
    played = {
        "document": "ANSWER: MSKU1234567",
        "scene": "<turns>\n> go to fridge 1\nThe fridge 1 is closed.\n> heat mug 1 with fridge 1\nNothing happens.\n</turns>",
        "question": '<turns>\n> TOOL: {"tool": "read_file", "arguments": {"name": "sales.csv"}}\ntown,units,status\n'
                    "Lund,3 kg,paid\nOulu,7,void\nTotal,10,\n\n> FINAL ANSWER: Oulu\n</turns>",
    }
    for tag, text in bodies.items():
        body = f"<{tag}>\n{text}\n</{tag}>"
        seen = f'<trajectory task="t1" score="0">\n{body}\n<action>\n{played[tag]}\n</action>\n{played[tag]}\n' \
               "<expected>\nLund\n</expected>\n<feedback>\nWrong. Step 1 went wrong: it is closed.\n</feedback>\n</trajectory>"
        module = "<module>\ninstructions: Do it.\n[r1] Heat objects with the fridge. (support 2)\n</module>"
        yield from (body, seen, f"{module}\n<trajectories>\n{seen}\n{seen}\n</trajectories>",
                    f"<modules>\n{module}\n{module}\n</modules>")


DAMAGE = st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(
    ["", "\n", "  ", ";", ",", "|", "9", "-", "é", "<", "&lt;", '"', " not ", "%", "\x00", "1 2", "{", "[r9] ", "Nothing happens."]))


@pytest.mark.parametrize("prompt", list(prompts_of_every_kind()))
@given(damage=st.lists(DAMAGE, max_size=6))
@checks(max_examples=25, deadline=None)
def test_a_damaged_prompt_is_answered_or_refused(prompt, damage):
    for place, length, put in damage:
        at = int(place * len(prompt))
        prompt = prompt[:at] + put + prompt[at + length :]
    for system in ("Answer in JSON.\n[r1] Heat objects with the stove.\nRULES:", "Go on."):
        try:
            assert isinstance(load("null").complete([{"role": "system", "content": system}, {"role": "user", "content": prompt}]).text, str)
        except BadRequest as refused:
            assert "simulated LLM" in str(refused)


def test_without_the_system_role_it_reads_the_same_instructions(asked):
    """A server without that role is sent the system text at the head of the first user message."""
    for job, chats in asked.items():
        for messages in chats[:30]:
            headless = without_system(messages)
            assert [m["role"] for m in headless] == ["user"]
            usual, answer = (load("null").complete(chat).text for chat in (messages, headless))
            if job in ("propose", "merge", "review"):
                assert json.loads(answer).keys() == json.loads(usual).keys()
            elif job == "act":  # the rules that it went by, and the form
                assert prompts.parse_action(answer)[1] == prompts.parse_action(usual)[1]
                assert [line.split(":")[0] for line in answer.splitlines()] == [line.split(":")[0] for line in usual.splitlines()]
            else:
                assert answer.startswith(("Right", "Wrong"))


def test_a_prompt_beyond_its_window_overflows():
    long = [{"role": "user", "content": "<document>\n" + "word " * 200_000 + "\n</document>"}]
    with pytest.raises(ContextOverflow, match="128000 token window of simulated:small"):
        load("small").complete(long)
    assert load("null").complete(long).text


@pytest.fixture(scope="module")
def asked():
    """The prompts of a run, by job."""
    llm = Wrapped(load("small"))
    run(small_bench(n_train=64), llm, workers=1)
    found = {"act": [], "evaluate": [], "propose": [], "merge": [], "review": []}
    for messages in llm.asked:
        found[job_of(messages)].append(messages)
    return found


def test_answers_depend_on_the_messages_and_the_sample_alone(asked):
    some = [messages for listed in asked.values() for messages in listed[:40]]
    first = [load("small").complete(messages, sample=3) for messages in some]
    backwards = [load("small").complete([dict(m) for m in messages], sample=3) for messages in reversed(some)]
    assert first == backwards[::-1]
    other = [load("small").complete(messages, sample=4).text for messages in some]
    assert sum(a.text != b for a, b in zip(first, other, strict=True)) > 5


def test_it_answers_thousands_of_calls_a_second(asked, capsys):
    mix = asked["act"][:150] + asked["evaluate"][:150]
    llm = load("small")
    for messages in mix:
        llm.complete(messages)
    rates = []
    for sample in range(1, 5):
        start = time.perf_counter()
        for messages in mix:
            llm.complete(messages, sample=sample)
        rates.append(len(mix) / (time.perf_counter() - start))
    with capsys.disabled():
        print(f" [{max(rates):,.0f} calls a second in-process]", end="")
    assert max(rates) >= 1_000  # 2,000 on a quiet core; the best of four, as others use this machine too


# -- what keeps it honest


def test_it_imports_neither_benchmarks_nor_generator_and_names_no_data_of_theirs():
    folder = Path(fgo_kit.simulate.__file__).parent
    files = sorted(folder.rglob("*.py"))
    assert len(files) >= 8
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert "jsonl" not in node.value and "world0" not in node.value and "w0-" not in node.value, (
                    file
                )
            for name in names:
                parts = name.split(".")
                assert not {"benchmarks", "data", "make", "conventions", "pools", "writer"} & set(parts), (
                    file,
                    name,
                )


METHODS = ("all_at_once", "bootstrapping", "fgo")


def scores(bench, llm, seeds, method, **choices):
    """Test scores, seeds x tasks."""
    return np.array(
        [list(run(bench, llm, method=method, seed=s, workers=1, **choices).scores.values()) for s in seeds]
    )


@pytest.mark.parametrize("profile", ["small", "null"])
def test_nothing_is_learnt_from_shuffled_answers(profile):
    bench = small_bench(n_train=96, n_test=96)
    order = np.random.default_rng(7).permutation(len(bench.train))
    answers = [bench.train[i].answer for i in order]
    shuffled = replace(
        bench, train=tuple(replace(t, answer=a) for t, a in zip(bench.train, answers, strict=True))
    )
    seeds, llm = range(4), f"simulated:{profile}"
    bars = [scores(shuffled, llm, seeds, method) for method in ("base", "always_none")]
    bar = max(bars, key=np.mean)
    for method in METHODS:
        difference = paired_difference([scores(shuffled, llm, seeds, method)], [bar])
        assert difference.lo <= 0, f"{method} gains {difference} from noise"


def test_something_is_learnt_from_true_answers():
    bench, seeds = small_bench(n_train=128, n_test=128), range(6)
    bars = [scores(bench, "simulated:null", seeds, method) for method in ("base", "always_none")]
    for method in METHODS:
        difference = paired_difference([scores(bench, "simulated:null", seeds, method)], [max(bars, key=np.mean)])
        assert difference.lo > 0, f"{method} learns {difference}"


@pytest.mark.parametrize("world", [0, 1])
def test_a_reader_without_limits_gains_nothing_from_dividing(world):
    bench, seeds = small_bench(n_train=96, n_test=96, world=world), range(4)
    fgo, whole = (scores(bench, "simulated:null", seeds, method) for method in ("fgo", "all_at_once"))
    difference = paired_difference([fgo], [whole])
    assert difference.lo <= 0, f"fgo gains {difference} without any limit"


OTHER_WORDS = {
    "act": """\
<module>
$module
</module>

Reply like this, a line each:
THOUGHT: one short reason
${cite}ANSWER: just the answer""",
    "evaluate": "Below is what an agent did, and what was expected. What went well or badly, and why? Be brief.",
    "propose": """\
Improve this agent's rules, given how it fared. Reply in JSON only:
{"edits": [{"op": "add|revise|drop", "component": "...", "id": "...", "text": "...", "support": ["task id"]}]}""",
    "merge": """\
Make one set of rules out of these, without losing anything of use. Reply in JSON only:
{"rules": [{"component": "...", "text": "...", "from": ["rule id"]}]}""",
}


def test_other_words_in_the_templates_change_nothing_beyond_noise(monkeypatch):
    bench, seeds = small_bench(n_train=64, n_test=96), range(5)
    first = scores(bench, "simulated:small", seeds, "fgo")
    for name, text in OTHER_WORDS.items():
        monkeypatch.setitem(prompts.TEMPLATES, name, text)
    second = scores(bench, "simulated:small", seeds, "fgo")
    difference = paired_difference([second], [first])
    assert not np.array_equal(first, second)  # the draws are others
    assert difference.lo <= 0 <= difference.hi, f"other words make {difference}"
