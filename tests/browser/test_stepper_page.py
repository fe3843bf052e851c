"""The merge stepper in a real browser: by clicks alone from eight modules to the root, and hostile text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import SHOTS

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "06_step_through_merges.ipynb"
SETUP = """\
import fgo_kit as fgo
bench = fgo.load_benchmark("logisticsqa", n_train=64)
run = fgo.run(bench, "simulated", method="fgo", n_subsets=8, log="calls.sqlite")
"""
STEPPER = """\
stepper = fgo.MergeStepper(run, bench, "simulated", save="{save}")
stepper
"""
CHECK = """\
import json
exported = json.load(open("{stem}.module.json"))
same = fgo.replay_merges(exported["decisions"], run, bench, "simulated") == stepper.module
same = same and exported["text"] == str(stepper.module)
print("SAME" if same else "DIFFERENT", stepper.run.config["method"])
"""


class Stepper:
    """A stepper on a page, to be used as a person would: by what is shown and can be clicked."""

    def __init__(self, page):
        self.page, self.root = page, page.locator(".fgo-stepper").first
        self.root.locator(".fgo-panel").wait_for()

    def click(self, name: str, within: str = "") -> None:
        self.root.locator(f"{within} .{name}:not([inert])".strip()).first.click()

    def fill(self, name: str, text: str) -> None:
        self.root.locator(f".{name}").fill(text)

    def count(self, selector: str) -> int:
        return self.root.locator(selector).count()

    def until(self, decisions: int) -> None:
        """Until so many decisions count and nothing is under way."""
        self.page.wait_for_function(
            "n => document.querySelector('.fgo-history h4').textContent.startsWith(`Decisions (${n} `)"
            " && !document.querySelector('.fgo-stepper.busy')",
            arg=decisions,
        )

    @property
    def cursor(self) -> int:
        return int(re.search(r"\d+", self.text(".fgo-history h4"))[0])

    def step(self, name: str, within: str = "") -> None:
        """Click what makes one decision, and wait for it."""
        before = self.cursor
        self.click(name, within)
        self.until(before + 1)

    def text(self, selector: str) -> str:
        return (self.root.locator(selector) if selector else self.root).inner_text()

    def note(self, words: str) -> str:
        self.page.wait_for_function(
            "words => document.querySelector('.fgo-note')?.textContent.includes(words)", arg=words
        )
        return self.text(".fgo-note")

    def screen(self) -> str:
        """All that is shown, but for times of day."""
        return re.sub(r"saved [\d:]+|opened as saved", "", self.text(""))


def rule_with(text: str) -> str:
    return f".fgo-own .fgo-rule:has-text({json.dumps(text)})"


def test_by_clicks_alone_from_eight_modules_to_the_root(open_notebook):
    files = {"SAVE": "walk.json", "LOG": "walk.sqlite"}
    notebook = open_notebook("06_step_through_merges.ipynb", NOTEBOOK, height=2400, **files)
    notebook.page.locator("img[alt^='Tree of merges']").first.wait_for()
    notebook.shot("06_as_committed")
    notebook.run_all()
    page = notebook.page
    stepper = Stepper(page)
    assert stepper.count(".fgo-node.leaf") == 8

    stepper.step("fgo-merge")
    stepper.root.locator(".fgo-accept").wait_for()
    stepper.root.scroll_into_view_if_needed()
    notebook.shot("06_stepper_candidate")
    stepper.step("fgo-reject")
    assert stepper.count(".fgo-node.leaf") == 8

    stepper.step("fgo-merge")
    stepper.click("fgo-edit")
    stepper.fill("fgo-input", 'The reference follows the words "our ref", or the like.')
    stepper.step("fgo-save")
    assert "by you" in stepper.text(rule_with("or the like"))
    stepper.step("fgo-lock", rule_with("or the like"))
    assert "locked" in stepper.text(rule_with("or the like"))

    stepper.fill("fgo-k", "12")
    stepper.step("fgo-evaluate")
    assert "of 12 gate tasks" in stepper.text(".fgo-evaluation .fgo-gate")
    assert "now right" in stepper.text(".fgo-flips")
    stepper.root.screenshot(path=SHOTS / "merge_stepper.png")  # the README's is a copy

    before = stepper.screen()
    for left in (5, 4, 3):
        stepper.click("fgo-undo")
        stepper.until(left)
    assert "or the like" not in stepper.text(".fgo-own")
    for left in (4, 5, 6):
        stepper.click("fgo-redo-step")
        stepper.until(left)
    assert stepper.screen() == before
    stepper.click("fgo-undo")
    stepper.until(5)
    stepper.click("fgo-redo-step")
    stepper.until(6)

    stepper.step("fgo-accept")
    while stepper.count(".fgo-merge"):
        stepper.step("fgo-merge")
        stepper.step("fgo-accept")
    assert "one module left: done" in stepper.text(".fgo-status")
    assert "our ref" in stepper.text(".fgo-own") and "locked" in stepper.text(".fgo-own")
    made = stepper.cursor
    stepper.click("fgo-undo")
    stepper.until(made - 1)
    left = stepper.screen()

    notebook.restart()
    notebook.run_all()
    stepper = Stepper(page)
    assert stepper.screen() == left

    stepper.step("fgo-accept")
    notebook.shot("06_stepper_root")
    stepper.click("fgo-export-text")
    stepper.note("walk.module.txt")
    stepper.click("fgo-export-json")
    stepper.note("walk.module.json")
    stepper.click("fgo-export-run")
    assert "test score" in stepper.note("Exported as run")
    assert output_of(notebook, CHECK.format(stem="walk")) == "SAME by hand"
    assert notebook.problems == []


def output_of(notebook, code: str) -> str:
    """What a new last cell prints."""
    notebook.page.evaluate(
        """async code => {
            const panel = window.jupyterapp.shell.currentWidget;
            panel.content.activeCellIndex = panel.content.widgets.length - 1;
            await window.jupyterapp.commands.execute('notebook:insert-cell-below');
            panel.content.activeCell.model.sharedModel.setSource(code);
            await window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        code,
    )
    cell = notebook.page.locator(".jp-CodeCell").last
    cell.locator(".jp-OutputArea-output").first.wait_for()
    return cell.locator(".jp-OutputArea-output").first.inner_text().strip()


SLOW = """\
import time
from dataclasses import replace
import fgo_kit as fgo

class Slow:
    pause = 0.0
    def __init__(self, llm): self.llm = llm
    def __getattr__(self, name): return getattr(self.llm, name)
    def complete(self, messages, **options):
        time.sleep(self.pause)
        return self.llm.complete(messages, **options)

bench = fgo.load_benchmark("logisticsqa", n_train=32)
bench, llm = replace(bench, test=bench.test[:40]), Slow(fgo.load_llm("simulated"))
run = fgo.run(bench, llm, method="fgo", n_subsets=3, epochs=1)
llm.pause = 0.2
stepper = fgo.MergeStepper(run, bench, llm, save=False, workers=2)
stepper
"""


def test_stop_stops_an_evaluation_and_an_export_and_both_go_on_later(open_notebook):
    notebook = open_notebook("slow.ipynb", [SLOW])
    notebook.run_all()
    page, stepper = notebook.page, Stepper(notebook.page)
    some = "what => RegExp(`^${what}: [1-9]`).test(document.querySelector('.fgo-progress').textContent)"
    stepper.fill("fgo-k", "64")
    stepper.click("fgo-evaluate")
    page.wait_for_function(some, arg="evaluate")
    notebook.shot("06_stepper_busy")
    stepper.click("fgo-stop")
    stepper.note("Stopped")
    stepper.until(0)
    stepper.fill("fgo-k", "4")
    stepper.step("fgo-evaluate")
    stepper.click("fgo-write")
    stepper.fill("fgo-input", "A rule that no prompt of the run had.")
    stepper.step("fgo-save")
    stepper.step("fgo-lock", rule_with("no prompt"))
    stepper.step("fgo-finish")
    stepper.click("fgo-export-run")
    page.wait_for_function(some, arg="export")
    stop = page.locator(".fgo-stop").bounding_box()
    page.mouse.move(stop["x"] + stop["width"] / 2, stop["y"] + stop["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(400)  # a slow finger, while the count goes on
    page.mouse.up()
    stepper.note("Stopped")
    stepper.until(4)
    stepper.click("fgo-export-run")
    assert "test score" in stepper.note("Exported as run")
    assert notebook.problems == []


HOSTILE = """\
import sys
sys.path.insert(0, "TESTS")
from dataclasses import replace
import fgo_kit as fgo
import helpers
from by_hand import HOSTILE, made
from fgo_kit.records import Rule
from fgo_kit.widgets.session import Session

bad = [text.replace("alert(1)", "window.hurt=1") for text in HOSTILE]
bad += ["line " * 200_000, "<iframe srcdoc='<script>parent.hurt=1</script>'>"]
run, bench, llm = made(log="hostile.sqlite")
first, *others = [node for node in run.merge_tree.walk() if not node.children]
rules = tuple(Rule(f"x{i}", text, (text, "t1"), (text,), text) for i, text in enumerate(bad))
first = replace(first, module=helpers.module(*rules, preamble=" ".join(bad)))
tree = replace(run.merge_tree, children=(first, *others), module=first.module)
config = run.config | {"benchmark": " ".join(bad)}
run = replace(run, state=replace(run.state, merge_tree=tree), config=config)
stepper = fgo.MergeStepper(run, bench, llm, save=False)
stepper.select(first.id)
"""


def test_hostile_text_is_text(open_notebook, repo_root):
    cells = [HOSTILE.replace("TESTS", f"{repo_root}/tests"), "stepper"]
    notebook = open_notebook("hostile_stepper.ipynb", cells)
    notebook.run_all()
    page, stepper = notebook.page, Stepper(notebook.page)
    assert "<script>" in stepper.text(".fgo-own")
    support = page.locator(".fgo-own .fgo-support")
    for number in range(support.count()):
        support.nth(number).click()
    stepper.click("fgo-write")
    page.fill(".fgo-input", "<img src=x onerror=window.hurt=1> \u202e <script>window.hurt=1</script>")
    stepper.step("fgo-save")
    stepper.click("fgo-write")
    page.evaluate("() => { document.querySelector('.fgo-input').value = 'lone \\ud800 half \\u0000 end'; }")
    stepper.step("fgo-save")
    assert "lone \ufffd half" in stepper.text(".fgo-own")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.hurt") is None
    inside = "script, img, iframe, style, a, svg svg, object, [onerror], [onload]"
    assert page.locator(f".fgo-stepper :is({inside})").count() == 0
    box = page.locator(".fgo-stepper").bounding_box()
    outer = page.locator(".jp-OutputArea-output:has(.fgo-stepper)").bounding_box()
    assert box["width"] <= outer["width"] + 1
    assert stepper.page.locator(".fgo-bar").is_visible()
    notebook.shot("06_stepper_hostile")
    assert notebook.problems == []


def test_hostile_text_in_the_plain_page_is_text(open_notebook, repo_root):
    code = "from IPython.display import HTML\nHTML(stepper._repr_mimebundle_()[0]['text/html'])"
    notebook = open_notebook("plain.ipynb", [HOSTILE.replace("TESTS", f"{repo_root}/tests"), code])
    notebook.run_all()
    page = notebook.page
    page.wait_for_selector(".jp-RenderedHTMLCommon table")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.hurt") is None
    assert page.locator(".jp-RenderedHTMLCommon :is(script, iframe, style, [onerror])").count() == 0
    assert page.locator(".jp-RenderedHTMLCommon img").count() == 1, "the tree alone"
    notebook.shot("06_plain_page_hostile")
    assert notebook.problems == []


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (1100, False), (720, False)])
def test_dark_and_narrow(open_notebook, width, dark):
    name = "dark" if dark else f"{width}"
    cells = [SETUP, STEPPER.format(save=f"{name}.json")]
    notebook = open_notebook(f"{name}.ipynb", cells, width=width, dark=dark)
    notebook.run_all()
    page, stepper = notebook.page, Stepper(notebook.page)
    stepper.step("fgo-merge")
    stepper.step("fgo-accept")
    stepper.step("fgo-merge")
    notebook.shot(f"06_stepper_{name}")
    root = page.locator(".fgo-stepper")
    assert root.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "nothing sticks out"
    ink, ground = root.evaluate("e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]")
    assert contrast(ink, ground) > 7
    assert {text.evaluate("e => getComputedStyle(e).textAlign") for text in root.locator(".fgo-rule-text").all()} <= {"left", "start"}
    if width >= 1100:
        tops = [box.bounding_box()["y"] for box in root.locator(".fgo-column").all()]
        assert len(set(tops)) == 1, "the candidate stands next to its children"


REVIEWED = """\
run = fgo.run(bench, "simulated", method="fgo", n_subsets=8, counts=True, review=True)
stepper = fgo.MergeStepper(run, bench, "simulated", save=False)
stepper.do("merge")
stepper.do("finish")
stepper
"""


def test_the_votes_of_the_review_and_the_three_axes_are_shown(open_notebook):
    notebook = open_notebook("reviewed.ipynb", [SETUP, REVIEWED], width=1100, height=2000)
    notebook.run_all()
    stepper = Stepper(notebook.page)
    notebook.wait_all()
    assert re.search(r"reviewers: s\d (keep|revise) \(w0-", stepper.text(".fgo-own")), "of a rule that stays"
    assert re.search(r"reviewers: s\d drop \(w0-", stepper.text(".fgo-children")), "of one that went"
    status = stepper.text(".fgo-status")
    waits, calls = map(int, re.search(r"critical path (\d+) of (\d+) calls", status).groups())
    assert 6 < waits < calls and "tokens" in status and "gate score of m7 not known" in status
    stepper.fill("fgo-k", "8")
    stepper.step("fgo-evaluate")
    assert re.search(r"gate score of m7 [\d.]+ %", stepper.text(".fgo-status"))
    assert f"critical path {waits + 3} of {calls + 24}" in stepper.text(".fgo-status"), "8 tasks at once, module after module"
    notebook.shot("06_stepper_reviewed")
    assert notebook.problems == []


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two CSS colours, as WCAG 2 has it."""
    lights = []
    for colour in (one, other):
        parts = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_keyboard_alone(open_notebook):
    notebook = open_notebook("keys.ipynb", [SETUP, STEPPER.format(save="keys.json")])
    notebook.run_all()
    page, stepper = notebook.page, Stepper(notebook.page)
    page.focus(".fgo-merge")
    page.keyboard.press("Enter")
    stepper.until(1)
    page.focus(".fgo-accept")
    page.keyboard.press("Space")
    stepper.until(2)
    page.focus(".fgo-node.merged")
    selected = page.get_attribute(".fgo-node.selected", "data-node")
    page.keyboard.press("ArrowLeft")
    moved = "id => document.querySelector('.fgo-node.selected').dataset.node !== id"
    page.wait_for_function(moved, arg=selected)
    assert page.evaluate("() => document.activeElement.classList.contains('fgo-node')"), "focus goes along"
    cells = page.locator(".jp-Cell").count()
    page.keyboard.press("b")
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.wait_for_timeout(300)
    assert page.locator(".jp-Cell").count() == cells, "keys of the notebook stay out"
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('.fgo-stepper :is(button, input, select, [role=button])')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label'))).length"
    )
    assert unnamed == 0
