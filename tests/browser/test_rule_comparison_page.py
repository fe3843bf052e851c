"""The comparison of two runs' rules in a real browser: by clicks, by keyboard alone, narrow and dark, hostile text."""

from __future__ import annotations

import pytest

RUNS = """\
import fgo_kit as fgo
bench = fgo.load_benchmark("logisticsqa", n_train=32)
runs = [fgo.run(bench, "simulated", method="fgo", counts=True, seed=seed) for seed in (0, 1)]
"""
HOSTILE = """\
import sys
sys.path.insert(0, "TESTS")
from by_hand import HOSTILE
from widgets.test_rule_comparison import made
from fgo_kit.records import Rule
import fgo_kit as fgo

bad = [text.replace("alert(1)", "window.hurt=1") for text in HOSTILE] + ["w " * 100_000, "\\n" * 300]
rules = [Rule(text[:400] + str(n), text + str(n), (text[:400],), origin=text[:400]) for n, text in enumerate(bad)]
scores = {text[:400]: float(n % 2) for n, text in enumerate(bad)}
one = made(" ".join(bad)[:5_000], scores, *rules, cites=tuple(rule.id for rule in rules), text=" ".join(bad))
fgo.compare_rules(one, made("other", {task: 1 - score for task, score in scores.items()}, text=" ".join(bad)))
"""


def opened(open_notebook, name, cells, **look):
    notebook = open_notebook(name, cells, **look)
    notebook.run_all()
    notebook.page.wait_for_selector(".fgo-comparison .fgo-item")
    return notebook, notebook.page.locator(".fgo-comparison")


def test_a_rule_shows_where_it_comes_from_and_a_task_both_trajectories(open_notebook):
    notebook, root = opened(open_notebook, "compared.ipynb", [RUNS, "fgo.compare_rules(*runs)"])
    columns = root.locator(".fgo-panels").first.locator("> .fgo-panel")
    left, right = columns.first.bounding_box(), columns.last.bounding_box()
    assert columns.count() == 2 and left["y"] == right["y"] and left["x"] < right["x"]
    root.locator(".fgo-rule-item:has-text('flipped')").first.click()
    assert "training tasks that speak for it" in root.locator(".fgo-details").inner_text()
    assert root.locator(".fgo-origin li").count() > 1
    notebook.shot("compare_rule")
    root.locator(".fgo-details .fgo-task-item").first.click()
    root.locator(".fgo-details .fgo-panels .fgo-panel >> nth=1").wait_for()
    outcomes = root.locator(".fgo-details .fgo-badge").all_inner_texts()
    assert sorted(text.split()[-1] for text in outcomes) == ["right", "wrong"]
    assert "differing rules that were cited" in root.locator(".fgo-details").inner_text()
    root.locator(".fgo-details h4").first.scroll_into_view_if_needed()
    notebook.shot("compare_task")
    assert notebook.problems == []


def test_by_keyboard_alone(open_notebook):
    notebook, root = opened(open_notebook, "compared_keys.ipynb", [RUNS, "fgo.compare_rules(*runs)"])
    page, cells = notebook.page, notebook.page.locator(".jp-Cell").count()
    focused = "() => document.activeElement.dataset.key"
    root.locator(".fgo-rule-item").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "rule1"
    page.keyboard.press("Enter")
    assert root.locator(".fgo-item[aria-expanded=true]").get_attribute("data-key") == "rule1"
    for key in "dd":
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "rule1" and root.locator(".fgo-details > *").count() == 0
    root.locator(".fgo-task-item").last.focus()
    page.keyboard.press("Space")
    root.locator(".fgo-details .fgo-badge >> nth=1").wait_for()
    assert page.evaluate("() => document.activeElement.className") == "fgo-details", "a reader goes on with what opened"
    page.keyboard.press("Escape")
    assert page.evaluate(focused).startswith("task") and root.locator("[aria-expanded=true]").count() == 0
    assert page.locator(".jp-Cell").count() == cells, "keys of the notebook stay out"
    unnamed = page.evaluate("() => [...document.querySelectorAll('.fgo-comparison :is(button, section)')]"
                            ".filter(e => !(e.ariaLabel || e.textContent.trim())).length")  # fmt: skip
    assert unnamed == 0 and notebook.problems == []


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (720, True)])
def test_narrow_and_dark(open_notebook, width, dark):
    name = f"compared_{width}.ipynb"
    notebook, root = opened(open_notebook, name, [RUNS, "fgo.compare_rules(*runs)"], width=width, dark=dark)
    root.locator(".fgo-task-item").first.click()
    root.locator(".fgo-details .fgo-badge >> nth=1").wait_for()
    assert root.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "nothing sticks out"
    assert root.locator(".fgo-item").first.evaluate("e => getComputedStyle(e).textAlign") == "left"
    notebook.shot(f"compare_{width}")
    assert notebook.problems == []


def test_hostile_text_is_text(open_notebook, repo_root):
    notebook, root = opened(open_notebook, "compared_hostile.ipynb", [HOSTILE.replace("TESTS", f"{repo_root}/tests")])
    for kind in ("rule", "task"):
        items = root.locator(f".fgo-panels >> nth=0 >> .fgo-{kind}-item")
        for number in range(items.count()):
            items.nth(number).click()
    root.locator(".fgo-details .fgo-badge >> nth=1").wait_for()
    notebook.page.wait_for_timeout(300)
    assert notebook.page.evaluate("() => window.hurt") is None
    assert root.locator(":is(script, img, iframe, style, a, svg, [onerror], [onload])").count() == 0
    notebook.shot("compare_hostile")
    assert "<script>" in root.inner_text()
    assert root.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "nothing sticks out"
    assert notebook.problems == []
