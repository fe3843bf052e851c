"""Modules of several components: rewritten, edited and merged together, by hand and by the simulated LLM."""

import json

import pytest
from helpers import ScriptedLLM, TinyBench, context, module

from fgo_kit.algorithm import prompts
from fgo_kit.algorithm.lineage import pooled
from fgo_kit.algorithm.merge import merge_tree
from fgo_kit.algorithm.optimize import propose
from fgo_kit.algorithm.rewrite import rewritten
from fgo_kit.calls.log import Place
from fgo_kit.records import Component, Feedback, MergeNode, Module, Rule, Step, Task, Trajectory
from fgo_kit.simulate.modules import home_of, rules_by_component, written_module

KNOWN = (Rule("s1.1", "Skip cancelled rows.", ("t1",)), Rule("s1.2", "Use page 2 of long files.", ("t2",)))
TWO = Module((Component("instructions", "Answer the question.", KNOWN[:1]), Component("tool_notes", "Notes on tools:", KNOWN[1:])))


def texts(changed):
    return {part.name: [rule.text for rule in part.rules] for part in changed.components}


@pytest.mark.parametrize(
    ("answer", "instructions", "tool_notes"),
    [
        ("instructions:\na rule\ntool_notes:\na note", ["a rule"], ["a note"]),
        ("tool_notes:\na note\ninstructions:\na rule", ["a rule"], ["a note"]),
        ("## instructions:\n- a rule\n**tool_notes:**\n1. a note", ["a rule"], ["a note"]),
        ("instructions: Answer the question.\n[s9] a rule (support 3)\ntool_notes: Notes on tools:\na note", ["a rule"], ["a note"]),
        ("instructions:\nAnswer the question.\na rule\ntool_notes:\nNotes on tools:\na note", ["a rule"], ["a note"]),
        ("instructions\na rule\n## tool_notes\n- a note", ["a rule"], ["a note"]),
        ("### Instructions\n-a rule\n\n**tool_notes**\n* a note", ["a rule"], ["a note"]),
        ("[instructions]\n• a rule\n[tool_notes]\n•a note", ["a rule"], ["a note"]),
        ("1. Instructions:\n**a** rule\n2. Tool notes:\n   2) a note", ["**a** rule"], ["a note"]),
        ("<instructions>\na rule\n</instructions>\n<tool_notes>\na note\n</tool_notes>", ["a rule"], ["a note"]),
        ("```markdown\n# TOOL-NOTES: Notes on tools:\na note\n```", [], ["a note"]),
        ("instructions:\n(no rules yet)\ntool_notes:\n- a note", [], ["a note"]),
        ("a rule\nanother", ["a rule", "another"], []),
        ("tool_notes:\na note", [], ["a note"]),
        ("instructions:\na rule\na rule\ntool_notes:\na rule", ["a rule"], []),
        ("instructions:\nnote: dates are in column 2\ntool_notes: read all pages", ["note: dates are in column 2", "tool_notes: read all pages"], []),
    ],
)  # fmt: skip
def test_a_rewrite_is_read_component_by_component(answer, instructions, tool_notes):
    changed = rewritten(TWO, f"Sure:\n<module>\n{answer}\n</module>", "s1e2", "s1/e2")
    assert texts(changed) == {"instructions": instructions, "tool_notes": tool_notes}
    assert [part.preamble for part in changed.components] == ["Answer the question.", "Notes on tools:"]
    assert len({rule.id for rule in changed.rules}) == len(changed.rules)


def test_a_line_that_stands_word_for_word_keeps_its_record_even_when_it_moves():
    changed = rewritten(TWO, "<module>\ntool_notes:\nSkip cancelled rows.\nnew note\n</module>", "s1e2", "s1/e2")
    assert changed.components[1].rules == (KNOWN[0], Rule("s1e2.2", "new note", (), (), "rewrite s1/e2"))


def test_an_empty_rewrite_of_any_component_is_allowed_but_not_of_all():
    assert rewritten(TWO, "<module>\ninstructions:\ntool_notes:\nkept\n</module>", "p", "o").components[0].rules == ()
    with pytest.raises(ValueError, match="empty"):
        rewritten(TWO, "<module>\ninstructions:\ntool_notes:\n</module>", "p", "o")


def test_a_heading_is_a_rule_like_any_other_where_there_is_one_component():
    changed = rewritten(module(), "<module>\ninstructions:\na rule\n</module>", "p", "o")
    assert texts(changed) == {"instructions": ["instructions:", "a rule"]}


def judged():
    task = Task("t1", "q", "a")
    return [(task, Trajectory("t1", (Step("<question>\nq\n</question>", "FINAL ANSWER: b"),), "b", 0.0), Feedback("t1", 0.0, "no"))]


def test_the_prompt_of_a_rewrite_says_how_components_are_told_apart():
    told = prompts.TEMPLATES["parts"]
    assert told in prompts.propose(TWO, judged(), edits=False)[0]["content"]
    assert told in prompts.merge([("s1", TWO)], edits=False)[0]["content"]
    for edits, shown in ((True, TWO), (False, module(KNOWN[0]))):
        assert told not in prompts.propose(shown, judged(), edits=edits)[0]["content"]
        assert told not in prompts.merge([("s1", shown)], edits=edits)[0]["content"]


def test_proposing_and_merging_in_rewrite_mode_change_both_components():
    answer = "<module>\ninstructions:\nSkip cancelled rows.\nRound last.\ntool_notes:\nRead every sheet.\n</module>"
    ctx = context(ScriptedLLM(lambda messages: answer), TinyBench(seed_module=TWO), edits=False)
    changed = propose(ctx, TWO, judged(), Place("propose", subset="s1", epoch=1))
    expected = {"instructions": ["Skip cancelled rows.", "Round last."], "tool_notes": ["Read every sheet."]}
    assert texts(changed) == expected
    leaves = [MergeNode("s1", TWO), MergeNode("s2", changed)]
    merged = merge_tree(ctx, leaves, (0, 1))
    assert texts(merged.module) == expected and merged.decision == "merged"
    assert len(pooled([TWO, changed]).rules) == 4


def test_edits_name_their_component_and_merges_keep_it():
    edits = {"edits": [{"op": "add", "component": "tool_notes", "text": "Read every sheet.", "support": ["t1"]},
                       {"op": "revise", "id": "s1.2", "text": "Ask for page 2.", "support": ["t1"]}]}  # fmt: skip
    ctx = context(ScriptedLLM(lambda messages: json.dumps(edits)), TinyBench(seed_module=TWO))
    changed = propose(ctx, TWO, judged(), Place("propose", subset="s1", epoch=1))
    assert texts(changed) == {"instructions": ["Skip cancelled rows."], "tool_notes": ["Ask for page 2.", "Read every sheet."]}
    revised = changed.components[1].rules[0]
    assert (revised.support, revised.parents) == (("t2", "t1"), ("s1.2",))
    wrong = {"edits": [{"op": "add", "component": "tools", "text": "Read it.", "support": ["t1"]}]}
    ctx = context(ScriptedLLM(lambda messages: json.dumps(wrong)), TinyBench(seed_module=TWO))
    assert propose(ctx, TWO, judged(), Place("propose", subset="s1", epoch=1)) == TWO


# -- the simulated LLM's side


def test_the_simulated_llm_reads_which_rule_stands_under_which_component():
    shown = prompts.merge([("s1", TWO), ("s2", TWO)])[1]["content"]
    assert rules_by_component(shown) == {"instructions": ["s1.1", "s1.1"], "tool_notes": ["s1.2", "s1.2"]}
    homes = rules_by_component(prompts.propose(TWO, judged())[1]["content"].partition("<trajectories>")[0])
    assert homes == {"instructions": ["s1.1"], "tool_notes": ["s1.2"]}
    assert home_of({"id": "s1.2"}, homes) == "tool_notes" and home_of({"from": ["s1.1"]}, homes) == "instructions"
    assert home_of({"component": "tool_notes", "from": ["s1.1"]}, homes) == "tool_notes" and home_of({"text": "x"}, homes) == ""


def test_what_the_simulated_llm_rewrites_is_read_back_as_it_was_written():
    homes = {"instructions": ["s1.1"], "tool_notes": ["s1.2"]}
    written = written_module(homes, [("tool_notes", "a note"), ("instructions", "a rule"), ("", "another rule")])
    assert texts(rewritten(TWO, written, "p", "o")) == {"instructions": ["a rule", "another rule"], "tool_notes": ["a note"]}
    assert written_module({"instructions": []}, [("", "a rule")]) == "<module>\na rule\n</module>"
