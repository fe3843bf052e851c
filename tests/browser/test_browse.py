"""The trajectory browser and the monitor in a real browser: speed, keyboard, hostile text, Stop."""



import json

from conftest import ROOT, SHOTS

MANY = """
import time
from fgo_kit import Component, Module, Rule, Run, Task, Trajectory, CallLog, browse
from fgo_kit.records import Feedback, Step
from fgo_kit.calls.log import Place
from fgo_kit.algorithm.rollout import Judged
from fgo_kit.runs.run import State

N = 10_000
words = "waybill container booking invoice vessel carrier freight harbour seal weight".split()
def text(i):
    return "\\n".join(" ".join(words[(i * k + j) % 10] for j in range(12)) for k in range(1, 26)) + f"\\nREF{i}"
def judged(i):
    phase = ("rollout", "audit", "test")[i % 3]
    place = Place(phase, subset=f"s{i % 40}" if phase == "rollout" else "", epoch=1 + i % 2, node=f"m{i % 39}" if phase == "audit" else "")
    steps = tuple(Step(text(i + n), f"THOUGHT: step {n}\\nANSWER: {i % 97}") for n in range(3))
    made = Trajectory(f"task-{i // 2}", steps, f"{i % 97}", float(i % 5 > 1), (f"r{i % 30}",))
    return Judged(place, made, Feedback(made.task_id, made.score, "Wrong. " * 8))
tasks = tuple(Task(f"task-{i}", "", str(i % 89), {"kind": f"kind-{i % 12}", "level": str(i % 3)}) for i in range(N // 2))
rules = tuple(Rule(f"r{i}", f"rule number {i}", (f"task-{i}",)) for i in range(30))
state = State(Module((Component("instructions", "Do it.", rules),)), [judged(i) for i in range(N)], [], None, None, tasks)
run = Run("many", {"method": "fgo", "benchmark": "made", "llm": "none", "simulated": True, "seed": 0}, state, CallLog(None))
"""
WATCH = """() => { window.fgoPainted = 0; const seen = new MutationObserver(() => {
    if (document.querySelector(".fgo-open")) requestAnimationFrame(() => setTimeout(() => {
        window.fgoPainted ||= performance.timeOrigin + performance.now(); })) && seen.disconnect(); });
    seen.observe(document.body, {childList: true, subtree: true}); }"""
TIMED = """async ([selector, value, event]) => {
    const status = document.querySelector(".fgo-status"), before = status.textContent;
    const control = document.querySelector(selector), start = performance.now();
    control.value = value; control.dispatchEvent(new Event(event, {bubbles: true}));
    while (status.textContent === before) await new Promise(done => setTimeout(done, 1));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    return [performance.now() - start, status.textContent]; }"""
CHOICES = (("outcome", "wrong"), ("subset", "s7"), ("epoch", "2"), ("type", "kind: kind-3"), ("rule", "0:r4"))
HOSTILE = r"""
T = ["<script>window.fgoHacked = 1</script>", "<img src=x onerror='window.fgoHacked = 2'>", "javascript:window.fgoHacked=3",
     "<!-- <b>", "</style><style>.fgo-browser{display:none}</style>", "\u202e\u2067 turned \u200f", "a\x00b\x07\x1b[31m\x85", "\ud800\udfff x \ud83d",
     "</details></table></div></bdi>", "&lt;b&gt;", "\"' onmouseover=window.fgoHacked=4 x='", "x" * 1_000_000, "w " * 500_000, "\n" * 3000]
ALL = " ".join(t if len(t) < 9999 else t[:200] for t in T)
import fgo_kit as fgo
from fgo_kit import *
from fgo_kit.records import Feedback, Step, MergeNode, Division
from fgo_kit.calls.log import Place
from fgo_kit.algorithm.rollout import Judged
from fgo_kit.runs.run import State
def judged(i, t, phase="test"):
    made = Trajectory(t[:400], (Step(t, t), Step(ALL, ALL)), t[:5000], float(phase == "test"), (t[:300], "r1"), "ok" if i else ALL)
    return Judged(Place(phase, subset=t[:50], epoch=1, node=t[:50]), made, Feedback(t[:400], 0.0, t[:30_000]))
record = [judged(i, t, phase) for i, t in enumerate(T) for phase in ("rollout", "test")]
tasks = tuple(Task(t[:400], t, t[:5000], {t[:60]: t[:60], "kind": t[:60]}) for t in T)
module = Module((Component(ALL, ALL, tuple(Rule(t[:300], t[:3000], (t[:400],), origin=ALL) for t in T)),))
tree = MergeNode(ALL, module, (MergeNode(T[0], module), MergeNode(T[1], module)), ALL)
config = {"method": ALL, "benchmark": ALL, "llm": ALL, "simulated": False, "seed": ALL}
run = Run("hostile", config, State(module, record, [], Division(ALL, tuple((t[:99],) for t in T)), tree, tasks), CallLog(None))
fgo.browse(run)
"""
SLOW = """
import time, fgo_kit as fgo
class Slow:
    def __init__(self, llm): self.llm = llm
    def __getattr__(self, name): return getattr(self.llm, name)
    def complete(self, messages, **options):
        time.sleep(0.05)
        return self.llm.complete(messages, **options)
bench = fgo.load_benchmark("logisticsqa", n_train=64)
monitor = fgo.start(bench, Slow(fgo.load_llm("simulated")), counts=True, budget_tokens=900_000, log="stopped.sqlite")
monitor
"""


def last_output(nb) -> str:
    found = nb.page.locator(".jp-OutputArea-output pre", has_text="END OF CELL").last
    found.wait_for()
    return found.inner_text()


def test_ten_thousand_trajectories_paint_in_two_seconds_and_filter_in_a_third_of_one(open_notebook):
    """Medians go to browse_seconds.json. The best of six is held to the aim, and the one first paint to three
    times it: on a busy machine more says nothing about the page."""
    nb = open_notebook("many.ipynb", [MANY, "began = time.time()\nbrowse(run)", "print('began', began, 'END OF CELL')"])
    page = nb.page
    page.evaluate(WATCH)
    nb.run_all()
    page.wait_for_function("() => window.fgoPainted > 0", timeout=60_000)
    began = float(last_output(nb).split()[1])
    figures = {"first paint": page.evaluate("() => window.fgoPainted") / 1000 - began}
    assert page.locator(".fgo-status").first.inner_text() == "10,000 of 10,000 trajectories"
    assert page.locator(".fgo-open").count() == 50
    page.wait_for_timeout(2500)  # as long as a person needs to find the first filter
    best = []
    chosen = [(f".fgo-filter-{name}", value, "change") for name, value in CHOICES]
    chosen += [(".fgo-search", text, "input") for text in ("ref777 freight", "ref4321")]
    for selector, value, event in chosen:
        taken = []
        for _ in range(3):
            taken.append(page.evaluate(TIMED, [selector, value, event])[0] / 1000)
            taken.append(page.evaluate(TIMED, [selector, "", event])[0] / 1000)
        figures[f"{selector} = {value}"] = sorted(taken)[3]
        best.append(min(taken))
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / "browse_seconds.json").write_text(json.dumps(figures, indent=1))
    print(figures)
    assert figures["first paint"] < 6
    assert max(best) < 0.3, figures
    nb.shot("browse_many")
    assert not nb.problems


def test_by_keyboard_alone(open_notebook):
    nb = open_notebook("keys.ipynb", [MANY, "browse(run)"])
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".fgo-open")
    cells = page.locator(".jp-Cell").count()
    page.focus(".fgo-search")
    page.keyboard.type("ref4321 xdd")  # x and dd would cut and delete the cell if Lab took them
    page.wait_for_function("() => document.querySelector('.fgo-status').textContent.startsWith('0 of')")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.wait_for_function("() => document.querySelector('.fgo-status').textContent.startsWith('10,000 of')")
    page.focus(".fgo-open")
    for key in ("ArrowDown", "ArrowDown", "PageDown"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelector('.fgo-page').textContent.startsWith('page 2 of')")
    for key in ("ArrowDown", "x", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(".fgo-panel")
    assert page.locator(".fgo-page").inner_text().startswith("page 2 of")
    assert page.locator(".fgo-open[aria-expanded=true]").count() == 1
    assert page.locator(".jp-Cell").count() == cells
    page.keyboard.press("Escape")
    page.wait_for_selector(".fgo-panel", state="detached")
    assert page.evaluate("() => document.activeElement.className") == "fgo-open"
    page.focus(".fgo-sort")
    page.keyboard.press("Enter")
    page.wait_for_selector("th[aria-sort=ascending]")
    unnamed = page.evaluate("""() => [...document.querySelectorAll('.fgo-browser :is(button, input, select)')]
        .filter(c => !(c.textContent.trim() && c.tagName === 'BUTTON') && !c.ariaLabel && !c.closest('label')).length""")
    assert unnamed == 0
    assert not nb.problems


def test_hostile_text_stays_text(open_notebook):
    views = "for it in (run, run.module, run.division, run.merge_tree, run.trajectory(T[1][:400])): display(it)\nprint('END OF', 'CELL')"
    nb = open_notebook("hostile.ipynb", [HOSTILE, views])
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".fgo-open")
    last_output(nb)
    rows = page.locator(".fgo-open").count()
    assert rows == 28
    for number in range(rows):
        page.locator(".fgo-open").nth(number).click()
        page.wait_for_function("n => Number(document.querySelector('tr.fgo-chosen')?.dataset.i) >= 0 && document.querySelector('.fgo-panel') && document.querySelectorAll('.fgo-open')[n].ariaExpanded === 'true'", arg=number)
    for options in (".fgo-filter-type", ".fgo-filter-rule", ".fgo-filter-subset"):
        values = page.eval_on_selector(options, "e => [...e.options].map(o => o.value)")
        for value in values[1:4]:
            page.eval_on_selector(options, "(e, v) => { e.value = v; e.dispatchEvent(new Event('change')); }", value)
            page.wait_for_timeout(60)
        page.click(".fgo-clear")
    page.wait_for_function("() => document.querySelectorAll('.fgo-open').length === 28")
    page.locator(".fgo-open").last.click()
    while page.locator(".fgo-more").count():
        page.locator(".fgo-more").click()
        page.wait_for_timeout(400)
    inside = "() => document.querySelectorAll('.fgo-browser :is(script, img, style, a)').length"
    assert page.evaluate(inside) == 0
    assert page.evaluate("() => window.fgoHacked === undefined")
    assert page.locator(".jp-OutputArea-output script, .jp-OutputArea-output img[src=x]").count() == 0
    box = page.locator(".fgo-browser").bounding_box()
    assert page.locator(".fgo-browser").is_visible() and box["width"] < 1280
    assert page.evaluate("() => { const b = document.querySelector('.fgo-browser'); return b.scrollWidth <= b.clientWidth + 1; }")
    nb.shot("browse_hostile")
    assert not nb.problems


def test_the_stop_button_stops_and_the_run_resumes(open_notebook):
    cells = [SLOW, "again = fgo.start(bench, 'simulated', counts=True, log='stopped.sqlite').result()\nprint(monitor.state, again.score > 0, 'END OF CELL')"]
    nb = open_notebook("monitor.ipynb", cells[:1])
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".fgo-monitor")
    page.wait_for_function("() => Number(document.querySelector('.fgo-bar .fgo-track')?.ariaValueNow) > 20")
    nb.shot("monitor")
    page.click(".fgo-stop")
    page.wait_for_selector(".fgo-is-stopped", timeout=20_000)
    assert page.locator(".fgo-stop").is_disabled()
    page.evaluate("""async code => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        window.fgoSaid = ''; const f = k.requestExecute({code}); f.onIOPub = m => { window.fgoSaid += m.content.text || m.content.evalue || ''; };
        await f.done; }""", cells[1])
    assert "stopped True END OF CELL" in page.evaluate("() => window.fgoSaid")
    assert not nb.problems


def test_narrow_and_dark(open_notebook):
    cell = "import fgo_kit as fgo\nb = fgo.load_benchmark('logisticsqa', n_train=64)\nruns = [fgo.run(b, 'simulated', method='base'), fgo.run(b, 'simulated', counts=True)]\nfgo.browse(*runs)"
    nb = open_notebook("narrow.ipynb", [cell], width=700, height=1300, dark=True)
    nb.command("application:toggle-left-area")
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".fgo-open")
    page.select_option(".fgo-filter-change", "gained")
    page.wait_for_function("() => document.querySelector('.fgo-status').textContent.indexOf('256') < 0")
    page.click(".fgo-open >> nth=2")
    page.wait_for_selector(".fgo-panels.fgo-2")
    assert page.evaluate("() => { const b = document.querySelector('.fgo-browser'); return b.scrollWidth <= b.clientWidth + 1; }")
    nb.shot("browse_narrow_dark")
    assert not nb.problems


def test_notebook_07_runs_and_answers_clicks(open_notebook):
    nb = open_notebook("07.ipynb", ROOT / "notebooks" / "07_explore_trajectories.ipynb", height=1800)
    nb.run_all()
    page = nb.page
    page.wait_for_selector(".fgo-browser .fgo-open", timeout=120_000)
    nb.wait_all()
    page.locator(".fgo-browser").first.scroll_into_view_if_needed()
    every = page.inner_text(".fgo-status")
    page.select_option(".fgo-filter-change", "gained")
    page.wait_for_function("every => document.querySelector('.fgo-status').textContent !== every", arg=every)
    page.click(".fgo-open >> nth=1")
    page.wait_for_selector(".fgo-panels.fgo-2")
    page.locator(".fgo-filters").first.scroll_into_view_if_needed()
    nb.shot("browse")
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert not nb.problems
